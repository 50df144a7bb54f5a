"""Texts sorted into topics: clusters of their vectors, each named by its words and shown by the texts at its centre."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.documents.topics.clustering import OTHER, cluster
from trifold.documents.topics.settings import TopicSettings
from trifold.documents.topics.topic_words import topic_words
from trifold.errors import DataError
from trifold.events import track
from trifold.formatting import counted

FEWEST_TEXTS = 10
_EXAMPLES = 3


@dataclass(frozen=True)
class Topic:
    """Texts about the same.

    Attributes:
        name: Its first words, such as `oil, prices, barrel`.
        words: The words that name it, the most telling first.
        size: Number of its texts.
        examples: Positions of the texts nearest to its centre, the nearest first.
    """

    name: str
    words: tuple[str, ...]
    size: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Topics:
    """Texts in topics.

    Attributes:
        topics: The topics, the largest first.
        of_text: `(texts,)` int64, the topic of each text; -1 where it is near none.
        nearness: `(texts,)` cosine of each text with the centre of its topic.
        reduced: `(texts, dimensions)` float32 of length 1, what they were sorted by.
    """

    topics: tuple[Topic, ...]
    of_text: np.ndarray
    nearness: np.ndarray
    reduced: np.ndarray

    @property
    def others(self) -> int:
        """Number of texts in no topic."""
        return int(np.count_nonzero(self.of_text == OTHER))


def find_topics(texts: Sequence[str], vectors: np.ndarray, settings: TopicSettings | None = None) -> Topics:
    """Sort texts into topics.

    Args:
        texts: At least 10.
        vectors: `(texts, width)` float32, their vectors.
        settings: How many topics, and the seed.

    Raises:
        DataError: If there are too few texts for that, or all are the same.
    """
    settings = settings or TopicSettings()
    fewest = max(FEWEST_TEXTS, settings.topics or 0)
    distinct = len(set(texts))
    if distinct < fewest:
        wanted = f" for {settings.topics} topics" if settings.topics else ""
        raise DataError(
            f"there are {counted(distinct, 'different text')}: give at least {fewest}{wanted}, better hundreds"
        )
    with track(f"sorting {counted(len(texts), 'text')} into topics", 2) as advance:
        found = cluster(vectors, settings.topics, settings.seed)
        advance(1)
        words = topic_words(texts, found.of_row, found.count)
    topics = []
    for number in range(found.count):
        members = np.flatnonzero(found.of_row == number)
        nearest = members[np.argsort(-found.nearness[members], kind="stable")]
        examples = _different(texts, nearest)
        name = ", ".join(words[number][:3]) or f"topic {number + 1}"
        topics.append(Topic(name, tuple(words[number]), len(members), examples))
    return Topics(tuple(topics), found.of_row, found.nearness, found.reduced)


def _different(texts: Sequence[str], positions: np.ndarray) -> tuple[int, ...]:
    """The first few positions whose texts are not the same."""
    found: dict[str, int] = {}
    for position in positions.tolist():
        found.setdefault(texts[position], position)
        if len(found) == _EXAMPLES:
            break
    return tuple(found.values())
