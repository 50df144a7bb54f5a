"""Which labelled examples a prompt shows: equally many of each label, random ones, or the most similar ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trifold.llm.prompt_template import Example
from trifold.types import Examples, labels_of

Embed = Callable[[Sequence[str]], np.ndarray]


def choose_balanced(train: Examples, shots: int, seed: int) -> list[int]:
    """Positions of `shots` examples, as equally many of each label as possible, in random order of the labels."""
    rng = np.random.default_rng(seed)
    rows: dict[object, list[int]] = {}
    for position in rng.permutation(len(train)).tolist():
        # Where a row may have several labels, it stands for the first, or for those without any.
        rows.setdefault(next(iter(labels_of(train.labels[position])), None), []).append(position)
    chosen: list[int] = []
    queues = [rows[label] for label in sorted(rows, key=str)]
    while len(chosen) < min(shots, len(train)):
        turn = [queue.pop() for queue in queues if queue]
        chosen += [turn[i] for i in rng.permutation(len(turn))]
    return chosen[:shots]


def choose_random(train: Examples, shots: int, seed: int) -> list[int]:
    """Positions of `shots` random examples."""
    return [int(row) for row in np.random.default_rng(seed).permutation(len(train))[:shots]]


@dataclass(frozen=True)
class FixedShots:
    """One set of examples for every text.

    Attributes:
        examples: The examples, in the order in which they are shown.
    """

    examples: tuple[Example, ...]

    def __call__(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        """The examples for each text."""
        return [self.examples] * len(texts)


@dataclass(frozen=True)
class NearestShots:
    """For every text the examples with the nearest vectors, the nearest last, where it has most influence.

    Attributes:
        examples: All examples to choose from.
        vectors: Their vectors, `(examples, width)` float32 of length 1.
        shots: How many are shown.
        embed: From texts to their vectors.

    Source: Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?".
    """

    examples: tuple[Example, ...]
    vectors: np.ndarray
    shots: int
    embed: Embed

    def __call__(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        """The examples for each text."""
        if not texts:
            return []
        near = self.embed(texts) @ self.vectors.T
        order = np.argsort(-near, axis=1, kind="stable")[:, : self.shots]
        return [tuple(self.examples[position] for position in row[::-1]) for row in order]
