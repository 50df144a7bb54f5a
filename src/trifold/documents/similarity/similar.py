"""How alike texts are by the cosine of their vectors: two texts, or two of each row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trifold.data.columns import Columns, unusable_text
from trifold.data.examples import open_rows
from trifold.data.in_memory import texts_of
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.data.table import ResultTable, Row, Table
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.errors import DataError, SettingsError
from trifold.formatting import counted
from trifold.inference.answers import ERROR
from trifold.models.vector_steps import Normalize
from trifold.types import BadRow, Record

SIMILARITY, OTHER_TEXT = "similarity", "other_text"
ROWS_PER_SLICE = 1_024


@dataclass
class Counts:
    """What was compared, counted while rows stream by.

    Attributes:
        compared: Pairs of texts whose similarity was computed.
        told: Those that are in the result.
        others: With how many each text was compared; 0 where row by row.
        unreadable: Rows without a usable text.
        truncated: Texts that were cut because they are longer than the model reads.
    """

    compared: int = 0
    told: int = 0
    others: int = 0
    unreadable: int = 0
    truncated: int = 0

    def in_words(self) -> str:
        """Such as `90 pairs of texts compared, 3 rows unreadable`, or `3 texts compared with 40 each, 9 pairs told`."""
        unreadable = f", {counted(self.unreadable, 'row')} unreadable" if self.unreadable else ""
        if self.others:
            texts = counted(self.compared // self.others, "text")
            return f"{texts} compared with {self.others:,} each, {counted(self.told, 'pair')} told{unreadable}"
        return f"{counted(self.compared, 'pair')} of texts compared{unreadable}"


@dataclass(frozen=True)
class SimilarTexts:
    """A result that is computed while it is read.

    Attributes:
        table: Its columns.
        rows: Its rows.
        counts: Counted while they are read.
    """

    table: ResultTable
    rows: Iterator[Row]
    counts: Counts


class _Pair(NamedTuple):
    """Two texts, and the columns of the row that they belong to; or why there are not two."""

    values: Mapping[str, object]
    first: str
    second: str
    reason: str | None


# Texts to vectors of length 1.
Encode = Callable[[Sequence[str]], np.ndarray]


def similarity_of(embedder: TextEmbedder, first: str, second: str, prompt: str = "") -> tuple[float, int]:
    """The cosine of two texts' vectors, and how many of the two were cut because they are longer than the model reads.

    Args:
        embedder: Makes the vectors.
        first: A text.
        second: A text.
        prompt: What stands before either.

    Raises:
        DataError: If a text is empty, or holds half a character.
    """
    for text in (first, second):
        if reason := unusable_text(text):
            raise DataError(f"{reason}: give a text with at least one word")
        texts_of([text])
        embedder.require_words([text])
    counts = Counts()
    one, other = unit_encoder(embedder, prompt, counts)([first, second])
    return float(one @ other), counts.truncated


def similar_pairs(
    embedder: TextEmbedder,
    first: Path,
    second: Path | None,
    reading: TextSettings,
    second_reading: TextSettings | None = None,
    own: RecordedColumns | None = None,
    *,
    prompt: str = "",
) -> SimilarTexts:
    """Compare two texts of each row: of two files of as many rows, or of two columns of one file.

    Memory does not grow with the number of rows.

    Args:
        embedder: Makes the vectors.
        first: A file, whose columns come back.
        second: Another file; where `None`, `reading` names two columns of texts.
        reading: How to read the first file.
        second_reading: How to read the other; as the first where `None`.
        own: The columns of the run that the model belongs to, if it belongs to one.
        prompt: What stands before every text.

    Raises:
        DataError: If a file cannot be read, a column that would be added is there already, or the files differ in their
            number of rows.
        SettingsError: If there is no second file and there are not two columns of texts.
    """
    counts = Counts()
    table, columns, rows = open_texts(first, reading, own)
    if second is None:
        if len(columns.texts) != 2:
            raise SettingsError(
                "of one file, two columns are compared row by row: name both, such as --text-column question,answer; "
                "or find each row's nearest others with --top-k 3"
            )
        added: dict[str, type] = {SIMILARITY: float, ERROR: str}
        pairs = _pairs_of_columns(rows, columns)
    else:
        other, other_columns, other_rows = open_texts(second, second_reading or reading, own)
        sizes = [sum(1 for _ in one.rows()) for one in (table, other)]
        if sizes[0] != sizes[1]:
            raise DataError(
                f"{first} has {counted(sizes[0], 'row')} and {second} {sizes[1]:,}, so they cannot be compared row by "
                "row: give files of as many rows, or find the nearest of each with --top-k 3 instead of --pairs"
            )
        added = {OTHER_TEXT: str, SIMILARITY: float, ERROR: str}
        pairs = _pairs_of_files(rows, columns, other_rows, other_columns)
    result = ResultTable(table, added)
    result.require_new("the comparison")
    return SimilarTexts(result, _compared(pairs, unit_encoder(embedder, prompt, counts), counts), counts)


def open_texts(
    path: Path, reading: TextSettings, own: RecordedColumns | None
) -> tuple[Table, Columns, Iterator[Record | BadRow]]:
    """`open_rows`, with what the user should know of the file said."""
    table, columns, rows = open_rows(path, reading, own)
    table.tell()
    columns.tell(own, f"texts of {path}")
    return table, columns, rows


def unit_encoder(embedder: TextEmbedder, prompt: str, counts: Counts | None = None) -> Encode:
    """From texts to vectors of length 1; the texts that are cut are counted, if that is asked for.

    At the first call it refuses texts whose words the tokenizer hardly knows, which would all look alike.
    """
    is_first = True

    def encode(texts: Sequence[str]) -> np.ndarray:
        nonlocal is_first
        if is_first:
            embedder.require_words(texts)
            is_first = False
        found = embedder.encode_counting(texts, prompt=prompt)
        if counts is not None:
            counts.truncated += int(found.truncated.sum())
        # Of a model whose vectors have other lengths, too, the cosine is what is told.
        return Normalize().apply(found.vectors)

    return encode


def _compared(pairs: Iterator[_Pair], encode: Encode, counts: Counts) -> Iterator[Row]:
    while slice_ := list(islice(pairs, ROWS_PER_SLICE)):
        usable = [pair for pair in slice_ if pair.reason is None]
        counts.compared += len(usable)
        counts.told += len(usable)
        counts.unreadable += len(slice_) - len(usable)
        texts = [*(pair.first for pair in usable), *(pair.second for pair in usable)]
        vectors = encode(texts) if texts else np.zeros((0, 1), dtype=np.float32)
        scores = iter((vectors[: len(usable)] * vectors[len(usable) :]).sum(axis=1).tolist())
        for pair in slice_:
            score = next(scores) if pair.reason is None else None
            yield {**pair.values, OTHER_TEXT: pair.second, SIMILARITY: score, ERROR: pair.reason}


def _pairs_of_columns(rows: Iterable[Record | BadRow], columns: Columns) -> Iterator[_Pair]:
    for row in rows:
        texts = [row.values.get(name) for name in columns.texts]
        reason = row.reason if isinstance(row, BadRow) else next(filter(None, map(unusable_text, texts)), None)
        yield _Pair(row.values, str(texts[0]), str(texts[1]), reason and f"line {row.line}: {reason}")


def _pairs_of_files(
    rows: Iterable[Record | BadRow], columns: Columns, others: Iterable[Record | BadRow], other_columns: Columns
) -> Iterator[_Pair]:
    for row, other in zip(rows, others, strict=True):
        reasons = [
            f"line {one.line}{place}: {one.reason}"
            for one, place in ((row, ""), (other, " of the other file"))
            if isinstance(one, BadRow)
        ]
        first = "" if isinstance(row, BadRow) else str(columns.text_of(row.values))
        second = "" if isinstance(other, BadRow) else str(other_columns.text_of(other.values))
        yield _Pair(row.values, first, second, reasons[0] if reasons else None)
