"""Documents as they are read: the rows of a table, the files of a folder, or texts in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifold.data.columns import unusable_text
from trifold.data.examples import open_rows
from trifold.data.label_matching import plain_text
from trifold.data.parquet import types_of
from trifold.data.settings import TextSettings
from trifold.data.source import is_standard_input
from trifold.errors import DataError, did_you_mean
from trifold.events import say
from trifold.types import BadRow

# Names of columns that call documents, as sets of documents and queries use them.
_ID_NAMES = ("_id", "id", "doc_id", "docid", "document_id")


@dataclass(frozen=True)
class Document:
    """One document.

    Attributes:
        id: Its name.
        text: All of it.
        file: File that it was read from; empty where it was none.
        row: 1-based number of its row in that file, rows that cannot be used counted; 0 where the file is one document.
        metadata: What else is known of it, by column.
    """

    id: str
    text: str
    file: str
    row: int
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Documents:
    """Some documents, which can be read several times.

    Attributes:
        source: Where they come from, in words.
        read: Yields them in their order; one that cannot be used as a `BadRow`.
        types: Column of the metadata to its Arrow type.
        text_column: Columns that the texts are read from, with commas between; `None` where it is no table.
    """

    source: str
    read: Callable[[], Iterator[Document | BadRow]]
    types: Mapping[str, Any] = field(default_factory=dict)
    text_column: str | None = None


def table_documents(path: Path, settings: TextSettings, id_column: str | None = None) -> Documents:
    """The rows of a file as documents; all columns but those of the text are their metadata.

    Args:
        path: CSV, TSV, JSON, Parquet or a workbook, standard input, or a data set of the hub.
        settings: How to read it.
        id_column: Column with the documents' names; by default one of a usual name whose values are distinct, which is
            said. Where there is none, or with "", a document is called by the number of its row.

    Raises:
        DataError: If it cannot be read, or has no such column.
    """
    table, columns, _ = open_rows(path, settings)
    table.tell()
    columns.tell()
    if id_column is None:
        id_column = _guessed_id(path, settings, [name for name in table.columns if name not in columns.texts])
    if id_column and id_column not in table.columns:
        guess, shown = did_you_mean(id_column, table.columns), ", ".join(map(repr, table.columns[:20]))
        raise DataError(f"there is no column {id_column!r}{guess}: the file has {shown}; name one with --id-column")
    kept = [name for name in table.columns if name not in columns.texts or name == id_column]
    types = {name: kind for name, kind in types_of(table).items() if name in kept}
    name = "standard input" if is_standard_input(path) else str(path)

    def read() -> Iterator[Document | BadRow]:
        for number, row in enumerate(open_rows(path, settings)[2], start=1):
            if isinstance(row, BadRow):
                yield row
                continue
            called = _name(row.values[id_column]) if id_column else str(number)
            if not called:
                yield BadRow(row.line, f"its {id_column} is empty", row.values)
                continue
            metadata = {column: row.values.get(column) for column in kept}
            yield Document(called, str(columns.text_of(row.values)), name, number, metadata)

    if not id_column:
        return Documents(name, read, types, columns.text)
    what, way_out = f"of {path} have the same {id_column}", "name a column of distinct values as --id-column, or none"
    return Documents(name, lambda: _distinct(read(), what, way_out), types, columns.text)


def _guessed_id(path: Path, settings: TextSettings, names: Sequence[str]) -> str | None:
    """The first column of a usual name that calls every usable row differently; what is found is said."""
    lowered = {name.lower(): name for name in names}
    known = [lowered[name] for name in _ID_NAMES if name in lowered]
    seen: dict[str, set[str]] = {name: set() for name in known}
    for row in open_rows(path, settings)[2] if known else ():
        for name, values in list(seen.items()) if not isinstance(row, BadRow) else ():
            called = _name(row.values[name])
            if not called or called in values:
                del seen[name]
            values.add(called)
        if not seen:
            say(f"note: column {known[0]!r} is empty or the same in some rows, so documents are called by their rows")
            return None
    found = next(iter(seen), None)
    if found is not None:
        say(f'note: documents are called by column {found!r}; --id-column overrides, --id-column "" takes their rows')
    return found


def _distinct(documents: Iterable[Document | BadRow], what: str, way_out: str) -> Iterator[Document | BadRow]:
    """The same documents, of which no two may have one name."""
    rows: dict[str, int] = {}
    for one in documents:
        if isinstance(one, Document) and (other := rows.setdefault(one.id, one.row)) != one.row:
            raise DataError(f"rows {other:,} and {one.row:,} {what}, {one.id!r}: {way_out}")
        yield one


def _name(value: object) -> str:
    return "" if value is None else plain_text(value).strip()


def given_documents(texts: Iterable[str | Mapping[str, object]], text_column: str = "text") -> Documents:
    """Texts in memory as documents.

    Args:
        texts: Texts, or mappings with one under `text_column`, perhaps a name under `id`, and metadata; what has no
            name is called by its number.
        text_column: Where a mapping has its text.

    Raises:
        DataError: If one is neither, two have one name, or metadata are of types that do not go together.
    """
    import pyarrow as pa

    found: list[Document | BadRow] = []
    for number, one in enumerate(texts, start=1):
        values: Mapping[str, object] = {text_column: one} if isinstance(one, str) else one
        if not isinstance(values, Mapping):
            raise DataError(f"document {number} is neither a text nor a mapping but {type(one).__name__}")
        called = _name(values.get("id", number))
        reason = unusable_text(values.get(text_column)) or ("" if called else "its id is empty")
        if reason:
            found.append(BadRow(number, reason, {}))
            continue
        metadata = {str(name): value for name, value in values.items() if name != text_column}
        found.append(Document(called, str(values[text_column]), "", number, metadata))
    found = list(_distinct(found, "of the texts in memory have the same id", "give each an id of its own, or none"))
    usable = [one.metadata for one in found if isinstance(one, Document)]
    names = dict.fromkeys(name for metadata in usable for name in metadata)
    try:
        types = {name: pa.array([metadata.get(name) for metadata in usable]).type for name in names}
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the documents' metadata cannot be kept ({error}): give texts, numbers and truth values"
        ) from None
    types = {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in types.items()}
    return Documents("texts in memory", lambda: iter(found), types, text_column)
