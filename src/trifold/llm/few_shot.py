"""Which labelled examples a prompt shows: as many of each label, any, or those most like the text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trifold.llm.prompt_template import Example
from trifold.types import Examples, labels_of

Embed = Callable[[Sequence[str]], np.ndarray]


def choose_balanced(train: Examples, shots: int, seed: int) -> list[int]:
    """Positions of as many examples of each label as can be, in an order that favours none."""
    rng = np.random.default_rng(seed)
    rows: dict[object, list[int]] = {}
    for position in rng.permutation(len(train)).tolist():
        rows.setdefault(labels_of(train.labels[position])[0], []).append(position)
    chosen: list[int] = []
    queues = [rows[label] for label in sorted(rows, key=str)]
    while len(chosen) < min(shots, len(train)):
        turn = [queue.pop() for queue in queues if queue]
        chosen += [turn[i] for i in rng.permutation(len(turn))]
    return chosen[:shots]


def choose_random(train: Examples, shots: int, seed: int) -> list[int]:
    """Positions of any examples."""
    return [int(row) for row in np.random.default_rng(seed).permutation(len(train))[:shots]]


@dataclass(frozen=True)
class FixedShots:
    """The same examples for every text.

    Attributes:
        examples: In the order in which they are shown.
    """

    examples: tuple[Example, ...]

    def __call__(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        """Examples for each text."""
        return [self.examples] * len(texts)


@dataclass(frozen=True)
class NearestShots:
    """For every text the examples whose vectors are nearest to its own, the nearest last, where it counts most.

    Attributes:
        examples: All there are.
        vectors: `(examples, width)` float32, of length 1.
        shots: How many are shown.
        embed: Texts to such vectors.

    Source: Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?".
    """

    examples: tuple[Example, ...]
    vectors: np.ndarray
    shots: int
    embed: Embed

    def __call__(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        """Examples for each text."""
        if not texts:
            return []
        near = self.embed(texts) @ self.vectors.T
        order = np.argsort(-near, axis=1, kind="stable")[:, : self.shots]
        return [tuple(self.examples[place] for place in row[::-1]) for row in order]
