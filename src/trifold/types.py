"""The frozen records that stages hand to one another. No logic and no heavy import lives here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trifold.errors import DataError

Label = str | int
# What a row is labelled with: one label, or in a multi-label task any number of them.
Target = Label | tuple[Label, ...]
# Between the labels of one row, in files that we write.
SEPARATOR = "|"


def labels_of(target: Target) -> tuple[Label, ...]:
    """The labels of a row, one or several."""
    return target if isinstance(target, tuple) else (target,)


@dataclass(frozen=True)
class TextPair:
    """Two texts of one row that are read together: a premise and a hypothesis, a query and a passage.

    It has those methods of a string that reading, splitting and hashing use, so that single texts and pairs pass
    through these alike.

    Attributes:
        first: The text that the backbone reads first.
        second: The other one.
    """

    first: str
    second: str

    def __len__(self) -> int:
        """Characters of both."""
        return len(self.first) + len(self.second)

    def __str__(self) -> str:
        """Both as one text, one below the other."""
        return f"{self.first}\n{self.second}"

    def strip(self) -> "TextPair":
        """The pair without the spaces around its texts."""
        return TextPair(self.first.strip(), self.second.strip())

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Bytes that are those of no single text and of no other pair, for hashes: no file has a NUL in a text."""
        return f"{self.first}\0{self.second}".encode(encoding, errors)


# What a row is about.
Text = str | TextPair


def parts_of(text: Text) -> tuple[str, ...]:
    """The texts of a row, one or two."""
    return (text.first, text.second) if isinstance(text, TextPair) else (text,)


def single_texts(texts: Sequence[Text]) -> list[str]:
    """The texts, for what reads one text a row.

    Raises:
        DataError: If they are pairs.
    """
    found = [text for text in texts if isinstance(text, str)]
    if len(found) < len(texts):
        raise DataError("pairs of texts were given where one text a row is read: give single texts")
    return found


def two_sides(texts: Sequence[Text]) -> tuple[list[str], list[str]]:
    """The first and the second texts of pairs, for what reads them apart.

    Raises:
        DataError: If they are no pairs.
    """
    pairs = [text for text in texts if isinstance(text, TextPair)]
    if len(pairs) < len(texts):
        raise DataError("single texts were given where pairs of texts are read: give two texts a row")
    return [pair.first for pair in pairs], [pair.second for pair in pairs]


@dataclass(frozen=True)
class Record:
    """One row of a file, as read.

    Attributes:
        line: 1-based physical line where the row starts (row number for Parquet, the header being 1).
        values: Column name to value. A CSV gives strings, Parquet what it stores; `None` is a missing value.
    """

    line: int
    values: dict[str, object]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, with the reason in plain words.

    Attributes:
        line: As in `Record`.
        reason: For example `"the quote opened here is never closed"`.
        values: What could be read of the row; empty where nothing could.
    """

    line: int
    reason: str
    values: dict[str, object]


@dataclass(frozen=True)
class Examples:
    """Texts with their labels, in file order.

    Attributes:
        rows: 1-based number of each row in its file, rows that cannot be used counted; the row's id everywhere
            (predictions, errors, paired comparison).
        texts: `len(rows)` texts, single ones or pairs.
        labels: `len(rows)` labels, strings or integers as they stand in the file; tuples of them where the task is
            multi-label.
        lines: 1-based physical line where each row starts; empty where the texts are from no file.
    """

    rows: tuple[int, ...]
    texts: tuple[Text, ...]
    labels: tuple[Target, ...]
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return bool(self.texts) and isinstance(self.texts[0], TextPair)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        return bool(self.labels) and isinstance(self.labels[0], tuple)

    def label_counts(self) -> Counter[Label]:
        """Label to the number of rows that have it."""
        return Counter(label for target in self.labels for label in labels_of(target))

    def __add__(self, other: "Examples") -> "Examples":
        """The examples of both, in this order."""
        lines = self.lines + other.lines if self.lines and other.lines else ()
        return Examples(self.rows + other.rows, self.texts + other.texts, self.labels + other.labels, lines)

    def take(self, positions: Sequence[int]) -> "Examples":
        """The examples at `positions`, in that order."""
        return Examples(
            rows=tuple(self.rows[i] for i in positions),
            texts=tuple(self.texts[i] for i in positions),
            labels=tuple(self.labels[i] for i in positions),
            lines=tuple(self.lines[i] for i in positions) if self.lines else (),
        )


@dataclass(frozen=True)
class Split:
    """The three parts of one data set.

    Attributes:
        train: What a method learns from, in random order.
        validation: What settings and checkpoints are chosen on.
        test: What is reported, once.
        left_training: Rows that left `train` because their text, or nearly the same, stands in `validation` or `test`.
        left_validation: Rows that left `validation` because their text, or nearly the same, stands in `test`.
        near_training: Those of `left_training` whose text is only nearly the same.
        near_validation: Those of `left_validation` whose text is only nearly the same.
        notes: Plain sentences on what was unusual (a class with one row, say).
    """

    train: Examples
    validation: Examples
    test: Examples
    left_training: int = 0
    left_validation: int = 0
    near_training: int = 0
    near_validation: int = 0
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, int]:
        """Rows of each part."""
        return {"training": len(self.train), "validation": len(self.validation), "test": len(self.test)}
