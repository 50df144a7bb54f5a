"""Queries, and which documents are relevant to them, from two files of any format that is read here."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.data.columns import guess_text
from trifold.data.open_file import open_table
from trifold.data.table import Table
from trifold.errors import DataError
from trifold.types import Record

_QUERY_IDS = ("query_id", "query-id", "qid", "topic", "query")
_OWN_IDS = ("_id", "id", *_QUERY_IDS[:3])
_QUERY_TEXTS = ("query", "text", "question", "title")
_DOCUMENT_IDS = (
    "corpus_id",
    "corpus-id",
    "document_id",
    "document-id",
    "doc_id",
    "docid",
    "passage_id",
    "pid",
    "document",
    "doc",
)
_RELEVANCES = ("relevance", "score", "rel", "label", "grade", "judgement", "judgment")
_SAMPLE_ROWS = 200


@dataclass(frozen=True)
class Judgements:
    """Queries with their relevant documents.

    Attributes:
        ids: Of the queries, in the order of their file.
        queries: Their texts.
        relevance: Of each query, document to relevance; at least one above 0.
        unjudged: Queries of the file that have no relevant document, and are left out.
        unknown: Queries that only the file of judgements names.
    """

    ids: tuple[str, ...]
    queries: tuple[str, ...]
    relevance: tuple[Mapping[str, float], ...]
    unjudged: int
    unknown: int

    def documents(self) -> set[str]:
        """All documents that are relevant to a query."""
        return {document for one in self.relevance for document, gain in one.items() if gain > 0}


def read_judgements(queries: Path, judged: Path, split: str | None = None) -> Judgements:
    """Read both files; their columns are guessed by name.

    Args:
        queries: Columns of ids and of texts.
        judged: Columns of query ids, document ids and, where not all are 1, relevance.
        split: Of a file with a column `split`, only rows with this value.

    Raises:
        DataError: If a file cannot be read, a column cannot be guessed, a row is unusable, or no query is left.
    """
    texts = _texts(queries, split)
    relevance: dict[str, dict[str, float]] = {}
    table = open_table(judged)
    query = _column(table, _QUERY_IDS, "query ids", "query_id")
    document = _column(table, _DOCUMENT_IDS, "document ids", "document_id")
    grade = _first_of(table.columns, _RELEVANCES)
    for row in _rows(table, split):
        gain = _gain(row, grade, judged)
        relevance.setdefault(_name(row, query, judged), {})[_name(row, document, judged)] = gain
    ids = [name for name in texts if any(gain > 0 for gain in relevance.get(name, {}).values())]
    if not ids:
        raise DataError(
            f"no query of {queries} has a relevant document in {judged}: do both name queries by the same ids?"
        )
    return Judgements(
        tuple(ids),
        tuple(texts[name] for name in ids),
        tuple(relevance[name] for name in ids),
        len(texts) - len(ids),
        len(relevance.keys() - texts.keys()),
    )


def read_queries(path: Path) -> list[str]:
    """The texts of a file of queries, in its order; of a file without columns, its lines."""
    table = open_table(path, columns=1)
    text = _text_column(table)
    return [str(row.values[text]) for row in table.rows() if isinstance(row, Record) and row.values[text]]


def _texts(path: Path, split: str | None) -> dict[str, str]:
    """Query id to query, in the file's order."""
    table = open_table(path)
    own = _column(table, _OWN_IDS, "query ids", "query_id")
    text = _text_column(table, own)
    found: dict[str, str] = {}
    for row in _rows(table, split):
        name = _name(row, own, path)
        if name in found:
            raise DataError(f"{path}, line {row.line}: the query id {name!r} stands there twice; give each its own")
        value = row.values[text]
        found[name] = "" if value is None else str(value)
    if not found:
        where = f" whose split is {split!r}" if split else ""
        raise DataError(f"{path} has no query{where}: give a file with ids and texts")
    return found


def _text_column(table: Table, own: str | None = None) -> str:
    others = [name for name in table.columns if name != own]
    named = _first_of(others, _QUERY_TEXTS)
    if named is not None:
        return named
    sample = [row for row, _ in zip(table.rows(), range(_SAMPLE_ROWS), strict=False) if isinstance(row, Record)]
    return guess_text(others, sample)


def _column(table: Table, names: Sequence[str], what: str, usual: str) -> str:
    found = _first_of(table.columns, names)
    if found is None:
        shown = ", ".join(map(repr, table.columns[:20]))
        raise DataError(f"no column of {table.path} is known to hold {what} ({shown}): name it {usual}")
    return found


def _first_of(columns: Collection[str], names: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in columns}
    return next((lowered[name] for name in names if name in lowered), None)


def _rows(table: Table, split: str | None) -> list[Record]:
    column = _first_of(table.columns, ("split",)) if split is not None else None
    rows = []
    for row in table.rows():
        if not isinstance(row, Record):
            raise DataError(f"{table.path}, line {row.line}: {row.reason}; correct it")
        if column is None or str(row.values[column]) == split:
            rows.append(row)
    return rows


def _name(row: Record, column: str, path: Path) -> str:
    value = row.values[column]
    if value is None or not str(value).strip():
        raise DataError(f"{path}, line {row.line}: {column} is empty; give an id")
    return str(value).strip()


def _gain(row: Record, column: str | None, path: Path) -> float:
    if column is None:
        return 1.0
    try:
        gain = float(str(row.values[column]))
    except ValueError:
        gain = math.nan
    if not math.isfinite(gain):
        shown = str(row.values[column])[:40]
        raise DataError(f"{path}, line {row.line}: {column} is {shown!r}; give a number, 0 for irrelevant")
    return gain
