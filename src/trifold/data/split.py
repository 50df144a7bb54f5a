"""The split into training, validation and test part, which is the same for every command.

The test part is what scikit-learn's `train_test_split(rows, test_size=0.2, random_state=42, stratify=labels)` holds
out, and the validation part is what it holds out of the remaining rows.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from trifold.data.leakage import find_leaks
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.types import Examples, Split, Target, labels_of

_SEED = 42
_HELD_OUT = 0.2
# Of a data file that can be learned from.
FEWEST_ROWS = 10
# The least share of a part that may be left without near-duplicates.
_LEAST_LEFT = 0.5


def split_examples(examples: Examples, test: Examples | None = None, validation: Examples | None = None) -> Split:
    """Split into 64 % training, 16 % validation and 20 % test; into 80 % and 20 % where one part has a file of its own.

    A text that is also in the test or the validation part, or nearly the same as one there (`data/leakage.py`), is
    removed from the training part. A text that is also in the test part, or nearly the same as one there, is removed
    from the validation part. All four numbers are in the result.

    Args:
        examples: All usable rows of the data file.
        test: Rows of `--test-file`.
        validation: Rows of `--validation-file`.

    Raises:
        DataError: If there are fewer than 10 rows, only one label, or more labels than half the rows; if the test or
            validation file has a label that the data file lacks; or if a part is empty, or the training part has only
            one label, after repeated texts were removed.
    """
    _require_task(examples)
    positions = np.arange(len(examples))
    notes: list[str] = []
    if test is None:
        rest, held_out = _stratified(positions, examples, "test", notes)
        test = examples.take(held_out.tolist())
    else:
        _require_known_labels(examples, test, "test")
        rest = positions
    if validation is None:
        rest, chosen_on = _stratified(rest, examples, "validation", notes)
        validation = examples.take(chosen_on.tolist())
    else:
        # Files are often sorted by label. Splitting shuffles the rows; without a split they are shuffled here.
        rest = np.random.default_rng(_SEED).permutation(rest)
        _require_known_labels(examples, validation, "validation")
    return _without_leaks(examples.take(rest.tolist()), validation, test, notes)


def _without_leaks(train: Examples, validation: Examples, test: Examples, notes: list[str]) -> Split:
    """The parts without the rows whose text, or nearly the same, is in a part that they are measured on."""
    leaks = find_leaks(train.texts, validation.texts, test.texts)
    if not len(leaks.train) or not len(leaks.validation):
        raise DataError(
            "every text of the training or validation part is also in the test part: give rows with distinct texts"
        )
    kept_train, near_train = train.take(leaks.train.tolist()), leaks.near_train
    kept_validation, near_validation = validation.take(leaks.validation.tolist()), leaks.near_validation
    if len(kept_train.label_counts()) < 2:
        raise DataError("the training part has only one class: give more rows of the other classes")
    fewer_train = train.take(np.setdiff1d(leaks.train, near_train).tolist())
    fewer_validation = validation.take(np.setdiff1d(leaks.validation, near_validation).tolist())
    if (
        min(len(fewer_train) / len(kept_train), len(fewer_validation) / len(kept_validation)) < _LEAST_LEFT
        or len(fewer_train.label_counts()) < 2
    ):
        notes.append(
            f"{counted(len(near_train), 'training row')} and {len(near_validation):,} of validation are nearly the "
            "same as rows that are tested, as texts from a template are; too little would be left without them, so "
            "they stay, and the figures may not hold for other texts"
        )
        fewer_train, near_train = kept_train, near_train[:0]
        fewer_validation, near_validation = kept_validation, near_validation[:0]
    return Split(
        train=fewer_train,
        validation=fewer_validation,
        test=test,
        left_training=len(train) - len(fewer_train),
        left_validation=len(validation) - len(fewer_validation),
        near_training=len(near_train),
        near_validation=len(near_validation),
        notes=tuple(notes),
    )


def split_train_validation(examples: Examples) -> tuple[Examples, Examples]:
    """Split into 80 % training and 20 % validation, for callers that keep test rows of their own.

    Raises:
        DataError: If there are fewer than 10 rows, only one label, or more labels than half the rows.
    """
    _require_task(examples)
    train, validation = _stratified(np.arange(len(examples)), examples, "validation", [])
    return examples.take(train.tolist()), examples.take(validation.tolist())


def _require_task(examples: Examples) -> None:
    rows, classes = len(examples), len(examples.label_counts())
    if rows < 2:
        raise DataError(f"the data have {counted(rows, 'usable row')}: give at least {FEWEST_ROWS}, better hundreds")
    if classes < 2:
        raise DataError(
            f"every row has the label {next(iter(examples.label_counts()), '')!r}: give rows of at least two classes, "
            "or give another column as --label-column"
        )
    if rows < FEWEST_ROWS:
        raise DataError(f"the data have {rows} usable rows: give at least {FEWEST_ROWS}, better hundreds")
    if classes > rows / 2:
        raise DataError(
            f"there are {classes} different labels on {rows} rows, more than half: "
            "this is probably not the label column; give that one as --label-column"
        )


def _require_known_labels(examples: Examples, given: Examples, part: str) -> None:
    unknown = sorted({str(label) for label in given.label_counts().keys() - examples.label_counts().keys()})
    if unknown:
        raise DataError(
            f"the {part} file has labels that the data file lacks ({', '.join(unknown[:5])}): "
            "correct them, or add rows with these labels to the data file"
        )


def hold_out(rows: np.ndarray, strata: Sequence[object] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Hold out 20 % of the rows, exactly those that scikit-learn's `train_test_split` holds out with seed 42.

    Args:
        rows: `(rows,)` values that stand for the rows.
        strata: What each row is stratified by, with at least two rows of each; `None` for a purely random draw.

    Returns:
        The remaining rows and the held-out rows, each in random order.
    """
    from sklearn.model_selection import train_test_split

    kept, held_out = train_test_split(rows, test_size=_HELD_OUT, random_state=_SEED, stratify=strata)
    return kept, held_out


def _stratified(
    positions: np.ndarray, examples: Examples, part: str, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out 20 % of `positions`, with the shares of the classes preserved where there are enough rows."""
    strata = _strata(examples)
    counts = Counter(strata[i] for i in positions)
    single = np.array([i for i in positions if counts[strata[i]] == 1], dtype=int)
    if len(single):
        notes.append(f"{counted(len(single), 'label')} had too few rows for the {part} part and stayed in training")
    several = np.array([i for i in positions if counts[strata[i]] > 1], dtype=int)
    classes = [strata[i] for i in several]
    size = int(np.ceil(_HELD_OUT * len(several)))
    if min(size, len(several) - size) < len(set(classes)):
        notes.append(f"too few rows to have every class in the {part} part: it was drawn without stratification")
        kept, held_out = hold_out(several)
    else:
        kept, held_out = hold_out(several, classes)
    return np.concatenate([kept, single]).astype(int), held_out


def _strata(examples: Examples) -> Sequence[Target]:
    """What each row is stratified by: its label, or the rarest of its labels.

    Common labels are in every part by chance alone; rare labels could be missing from a part.
    """
    if not examples.multi_label:
        return examples.labels
    counts = examples.label_counts()
    # Rows without a label are a stratum of their own.
    return [
        min(labels_of(target), key=lambda label: (counts[label], str(label)), default="") for target in examples.labels
    ]
