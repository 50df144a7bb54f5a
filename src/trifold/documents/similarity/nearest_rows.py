"""The rows that are nearest to each row of a file, or to a text, by the cosine of their vectors."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from trifold.data.columns import Columns, unusable_text
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.data.table import ResultTable, Row, Table
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.nearest import nearest
from trifold.documents.similarity.similar import (
    OTHER_TEXT,
    ROWS_PER_SLICE,
    SIMILARITY,
    Counts,
    Encode,
    SimilarTexts,
    open_texts,
    unit_encoder,
)
from trifold.documents.similarity.stored_texts import StoredTexts
from trifold.errors import DataError
from trifold.inference.answers import ERROR
from trifold.types import BadRow, Record

OWN_ROW, OTHER_ROW, RANK = "own_row", "other_row", "rank"


def nearest_rows(
    embedder: TextEmbedder,
    first: Path | str,
    second: Path | None,
    count: int,
    reading: TextSettings,
    second_reading: TextSettings | None = None,
    own: RecordedColumns | None = None,
    *,
    prompt: str = "",
) -> SimilarTexts:
    """For each row of a file, or for a text, the rows of another file that are nearest to it, best first.

    Vectors and texts of the other file are kept in temporary files meanwhile, and compared a block at a time, so that
    memory grows by some bytes a row.

    Args:
        embedder: Makes the vectors.
        first: A file whose columns come back with the number of their row, one row for each of the nearest; or a text.
        second: The file in which they are looked for; the first where `None`, each row itself left out.
        count: How many of them.
        reading: How to read the first file.
        second_reading: How to read the other; as the first where `None`.
        own: The columns of the run that the model belongs to, if it belongs to one.
        prompt: What stands before every text.

    Raises:
        DataError: If a file cannot be read, or a column that would be added is there already.
    """
    counts = Counts()
    encode = unit_encoder(embedder, prompt, counts)
    if isinstance(first, Path):
        table, columns, rows = open_texts(first, reading, own)
    else:
        table = _table_of(first)
        embedder.require_words([first])
        columns, rows = Columns(table.columns, None, guessed=False), table.rows()
    added = {RANK: int, OTHER_ROW: int, OTHER_TEXT: str, SIMILARITY: float, ERROR: str}
    result = ResultTable(table, {OWN_ROW: int, **added} if isinstance(first, Path) else added)
    result.require_new("the comparison")
    if second is None:
        assert isinstance(first, Path)
        others, other_columns = rows, columns
        _, _, rows = open_rows(first, reading, own)
    else:
        _, other_columns, others = open_texts(second, second_reading or reading, own)

    def found() -> Iterator[Row]:
        with StoredTexts(embedder.width) as store:
            for slice_ in _slices(others):
                usable = [(n, str(other_columns.text_of(row.values))) for n, row in slice_ if isinstance(row, Record)]
                if second is not None:
                    counts.unreadable += len(slice_) - len(usable)
                if usable:
                    numbers, texts = [number for number, _ in usable], [text for _, text in usable]
                    store.add(numbers, texts, encode(texts))
            yield from _nearest_of(rows, columns, store, count, None if second is None else encode, counts)

    return SimilarTexts(result, found(), counts)


def _nearest_of(
    rows: Iterable[Record | BadRow],
    columns: Columns,
    store: StoredTexts,
    count: int,
    encode: Encode | None,
    counts: Counts,
) -> Iterator[Row]:
    """The nearest stored texts of each row; without an encoder, the rows are those that are stored."""
    vectors, start = store.vectors(), 0
    counts.others = max(0, len(vectors) - (encode is None))
    for slice_ in _slices(rows):
        usable = [row for _, row in slice_ if isinstance(row, Record)]
        own = np.arange(start, start + len(usable))
        start += len(usable)
        if encode is not None:
            queries = encode([str(columns.text_of(row.values)) for row in usable]) if usable else vectors[:0]
        else:
            queries = vectors[own]
        best = nearest(queries, vectors, count + (encode is None))
        counts.compared += len(usable) * counts.others
        hits = iter(zip(best.positions, best.scores, own, strict=True))
        for own_row, row in slice_:
            values = {**row.values, OWN_ROW: own_row}
            if isinstance(row, BadRow):
                counts.unreadable += 1
                yield {**values, ERROR: f"line {row.line}: {row.reason}"}
                continue
            positions, scores, itself = next(hits)
            kept = (positions >= 0) & ((positions != itself) | (encode is not None))
            for rank, (place, score) in enumerate(zip(positions[kept][:count], scores[kept], strict=False), start=1):
                counts.told += 1
                number, text = store.text(int(place))
                yield {**values, RANK: rank, OTHER_ROW: number, OTHER_TEXT: text, SIMILARITY: float(score)}


def _slices(rows: Iterable[Record | BadRow]) -> Iterator[list[tuple[int, Record | BadRow]]]:
    """Rows with their number in the file, from 1, some at a time."""
    numbered = iter(enumerate(rows, start=1))
    while slice_ := list(islice(numbered, ROWS_PER_SLICE)):
        yield slice_


def _table_of(text: str) -> Table:
    """A text as a table of one row.

    Raises:
        DataError: If it is empty.
    """
    reason = unusable_text(text)
    if reason:
        raise DataError(f"{reason}: give a text with at least one word")
    return Table(Path("text"), ("text",), "a text", lambda _: iter([Record(1, {"text": text})]), typed=False)
