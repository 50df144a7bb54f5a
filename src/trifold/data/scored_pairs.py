"""Pairs of texts with a score: from the rows of a file to numbers, and their split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.split import FEWEST_ROWS, hold_out
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.types import Examples, TextPair

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of texts with the score that people gave each.

    Attributes:
        rows: As in `Examples`.
        pairs: `len(rows)` pairs.
        scores: `(pairs,)` float64, on any scale.
        lines: As in `Examples`.
    """

    rows: tuple[int, ...]
    pairs: tuple[TextPair, ...]
    scores: np.ndarray
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, positions: Sequence[int]) -> "ScoredPairs":
        """The pairs at `positions`, in that order."""
        return ScoredPairs(
            rows=tuple(self.rows[i] for i in positions),
            pairs=tuple(self.pairs[i] for i in positions),
            scores=self.scores[list(positions)],
            lines=tuple(self.lines[i] for i in positions) if self.lines else (),
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """The first texts of all pairs, then the second ones."""
        return tuple(pair.first for pair in self.pairs) + tuple(pair.second for pair in self.pairs)


@dataclass(frozen=True)
class ScoredSplit:
    """The three parts of scored pairs; the fields are those of `Split`."""

    train: ScoredPairs
    validation: ScoredPairs
    test: ScoredPairs
    left_training: int
    left_validation: int
    near_training: int = 0
    near_validation: int = 0

    @property
    def parts(self) -> dict[str, int]:
        """Rows of each part."""
        return {"training": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def as_scored(examples: Examples, column: str) -> ScoredPairs:
    """The rows of a file, whose labels are scores.

    Args:
        examples: Pairs of texts.
        column: The column of the labels, for messages.

    Raises:
        DataError: If a label is no number.
    """
    scores = np.array([_number(label) for label in examples.labels], dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        row, label = examples.rows[wrong[0]], str(examples.labels[wrong[0]])
        shown = label if len(label) <= _SHOWN_CHARACTERS else f"{label[:_SHOWN_CHARACTERS]}…"
        raise DataError(
            f"--task similarity learns from numbers, and the column {column!r} holds {shown!r} in row {row:,} "
            f"({counted(len(wrong), 'row')} like that): name the column of scores with --label-column, or learn "
            "labels of pairs with --task pairs"
        )
    pairs = tuple(text for text in examples.texts if isinstance(text, TextPair))
    return ScoredPairs(examples.rows, pairs, scores, examples.lines)


def _number(label: object) -> float:
    """A label as a number; not a number where it is none."""
    try:
        found = float(str(label))
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def split_pairs(
    pairs: ScoredPairs, test: ScoredPairs | None = None, validation: ScoredPairs | None = None
) -> ScoredSplit:
    """Split at random into 64 % training, 16 % validation and 20 % test, as every command does.

    A pair that is also in the test or the validation part, in either order, leaves the training part; one that is also
    in the test part leaves the validation part.

    Args:
        pairs: All usable rows of the data file.
        test: Rows of `--test-file`.
        validation: Rows of `--validation-file`.

    Raises:
        DataError: If there are too few rows, a part is empty once repeated pairs are gone, or all scores of a part are
            equal.
    """
    if len(pairs) < FEWEST_ROWS:
        raise DataError(
            f"the data have {counted(len(pairs), 'usable row')}: give at least {FEWEST_ROWS}, better hundreds"
        )
    rest = np.arange(len(pairs))
    if test is None:
        rest, held_out = hold_out(rest)
        test = pairs.take(held_out.tolist())
    if validation is None:
        rest, chosen_on = hold_out(rest)
        validation = pairs.take(chosen_on.tolist())
    else:
        rest = np.random.default_rng(0).permutation(rest)
    tested = {_key(pair) for pair in test.pairs}
    kept_validation = [i for i, pair in enumerate(validation.pairs) if _key(pair) not in tested]
    left_validation = len(validation) - len(kept_validation)
    validation = validation.take(kept_validation)
    seen = tested | {_key(pair) for pair in validation.pairs}
    kept = [i for i in rest.tolist() if _key(pairs.pairs[i]) not in seen]
    if not kept or not kept_validation:
        raise DataError(
            "every pair of the training or validation part is also in the test part: give rows with distinct pairs"
        )
    split = ScoredSplit(pairs.take(kept), validation, test, len(rest) - len(kept), left_validation)
    for name, part in (("training", split.train), ("validation", validation), ("test", test)):
        if np.ptp(part.scores) == 0:
            raise DataError(
                f"every pair of the {name} part has the score {part.scores[0]:g}, which gives them no order: give rows "
                "with different scores, or name the column of scores with --label-column"
            )
    return split


def _key(pair: TextPair) -> tuple[str, ...]:
    """Equal for two pairs of the same texts."""
    return tuple(sorted((pair.first.strip(), pair.second.strip())))
