"""What an explanation holds."""

from dataclasses import dataclass

from trifold.types import Label, Target, labels_of


@dataclass(frozen=True)
class Word:
    """A word of a text, and what it speaks for.

    Attributes:
        start: Position of its first character in the text.
        end: Position after its last character.
        text: The word.
        weight: How far it raises the log-odds of the explained label; below zero where it speaks against it.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Which words of one text decided on a label, and how far that can be believed.

    Attributes:
        text: The text.
        label: The label that is explained.
        probability: Of that label.
        predicted: What the model gives the text.
        words: Every word that was read, in the order of the text.
        deciding: Those that the label owes most to, together: first the one without which its probability falls
            furthest, then the one that does most beside it, and so on.
        probability_without: Of the label, where the deciding words are left out.
        probability_without_random: The mean where as many words are left out that were drawn by chance.
        method: Where the weights come from: `weights` of a linear model, or `occlusion`.
        truncated: Whether the text was too long to be read whole.
        evaluations: How often the model was asked.
    """

    text: str
    label: Label
    probability: float
    predicted: Target
    words: tuple[Word, ...]
    deciding: tuple[Word, ...]
    probability_without: float
    probability_without_random: float
    method: str
    truncated: bool
    evaluations: int

    @property
    def given(self) -> bool:
        """Whether the model gives the text this label."""
        return self.label in labels_of(self.predicted)

    @property
    def drop(self) -> float:
        """By how much the probability falls without the deciding words."""
        return self.probability - self.probability_without

    @property
    def random_drop(self) -> float:
        """By how much it falls in the mean without as many words that were drawn by chance."""
        return self.probability - self.probability_without_random


@dataclass(frozen=True)
class TextRow:
    """A text to be explained, and where it stands.

    Attributes:
        text: The text.
        row: Number of its row; `None` where it is from no file.
        line: Line on which the row begins.
        truth: What the file labels it with, where that was read.
        learned: Whether the model was trained on this text, as far as its run says.
    """

    text: str
    row: int | None = None
    line: int | None = None
    truth: Target | None = None
    learned: bool = False


@dataclass(frozen=True)
class NearRow:
    """A training row that is near to a text.

    Attributes:
        row: Its number in the data file.
        line: The line on which it begins.
        label: What it is labelled with.
        similarity: Cosine of the two vectors.
        text: The row's text.
    """

    row: int
    line: int
    label: Target
    similarity: float
    text: str


@dataclass(frozen=True)
class ExplainedRow:
    """An explained text.

    Attributes:
        row: Where it stands.
        explanation: Of its label.
        nearest: The nearest training rows, the nearest first.
    """

    row: TextRow
    explanation: Explanation
    nearest: tuple[NearRow, ...] = ()
