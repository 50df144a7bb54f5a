"""Which words matter for each label: the weights of the words of many texts, taken together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trifold.explanations.explanation import Word
from trifold.types import Label


@dataclass(frozen=True)
class LabelWord:
    """A word, and what it does in the texts that are given a label.

    Attributes:
        text: The word in lower case.
        decides: Texts in which it is among the words of the largest weights.
        texts: Texts that hold it.
        weight: Its mean weight in these.
    """

    text: str
    decides: int
    texts: int
    weight: float


@dataclass(frozen=True)
class LabelOverview:
    """The words that matter for one label.

    Attributes:
        label: The label.
        texts: Texts that the model gives it, of those looked at.
        words: First those that decide often, whenever they stand in a text, and with large weights.
    """

    label: Label
    texts: int
    words: tuple[LabelWord, ...]


@dataclass(frozen=True)
class Overview:
    """Which words matter for each label in a file.

    Attributes:
        labels: Those that are given to a text.
        texts: How many were looked at.
        of: How many there are.
        deciding: How many words of a text count as deciding it.
        method: Where weights come from, as in `Explanation`.
    """

    labels: tuple[LabelOverview, ...]
    texts: int
    of: int
    deciding: int
    method: str


def label_overviews(
    weighed: Iterable[tuple[int, Sequence[Word]]], names: Sequence[Label], deciding: int, most: int
) -> list[LabelOverview]:
    """The words that matter for each label, of labels that are given to a text.

    Words are ordered by the texts that they decide, times the share of the texts with the word that these are, times
    their mean weight: a word that is everywhere decides some texts by chance.

    Args:
        weighed: Of each text the class that the model gives it, and its words with their weights for that.
        names: Of the classes.
        deciding: How many words of a text count as deciding it.
        most: Words of each label.
    """
    counts: dict[int, int] = defaultdict(int)
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    for number, words in weighed:
        counts[number] += 1
        weights: dict[str, float] = defaultdict(float)
        for word in words:
            weights[word.text.lower()] += word.weight
        first = {text for text in sorted(weights, key=lambda text: -weights[text])[:deciding] if weights[text] > 0}
        for text, weight in weights.items():
            known = found[number][text]
            known[0] += text in first
            known[1] += 1
            known[2] += weight
    return [
        LabelOverview(names[number], count, tuple(_ranked(found[number])[:most]))
        for number, count in sorted(counts.items())
    ]


def _ranked(found: dict[str, list[float]]) -> list[LabelWord]:
    words = [
        LabelWord(text, int(decides), int(texts), total / texts)
        for text, (decides, texts, total) in found.items()
        if decides
    ]
    return sorted(words, key=lambda word: (-(word.decides**2) / word.texts * word.weight, word.text))
