"""Open a data file as a stream of records: CSV, TSV, JSONL and Parquet, larger than memory where need be."""

import glob
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

from trifold.data.dialect import Dialect, find_dialect
from trifold.data.hub import local_file
from trifold.data.records import RawRecord, split_records
from trifold.errors import DataError
from trifold.types import BadRow, Record

_PARQUET_BATCH_ROWS = 2_048
_JSON_LINES = (".jsonl", ".ndjson")
# Objects may lack keys, so the columns are those of the first so many.
_JSON_SAMPLE_ROWS = 1_000
# Without the option, a folder named like `year=2024` would add a column; unescaped, `[1]` in a name is a pattern.
_READ_PARQUET = "SELECT * FROM read_parquet(?, hive_partitioning=false)"


@dataclass(frozen=True)
class Table:
    """A data file, opened.

    Attributes:
        path: Where it lies.
        columns: Names from the header, in file order.
        description: How it is written, in words.
        read: Opens the file anew and gives its rows.
    """

    path: Path
    columns: tuple[str, ...]
    description: str
    read: Callable[["Table"], Iterator[Record | BadRow]]

    def rows(self) -> Iterator[Record | BadRow]:
        """Every row of the file in order, each either usable as read or bad with its reason."""
        return self.read(self)


def open_table(path: Path | str, encoding: str | None = None, columns: int = 2) -> Table:
    """Open `path` and read its header.

    Args:
        path: The file, or a data set of the hub as in `local_file`.
        encoding: Overrides what would be found.
        columns: The fewest that make sense, as in `find_dialect`.

    Raises:
        DataError: If there is no such file, it is a folder, empty, binary, or has no header to speak of.
    """
    path = local_file(Path(path))
    if path.is_dir():
        raise DataError(f"{path} is a folder: name a CSV, TSV, JSONL or Parquet file in it")
    if not path.exists():
        raise DataError(f"there is no file {path}: check the name, or the folder you are in")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: it needs a header line and rows, such as text,label")
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}): check its permissions") from None
    with file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        return Table(path, _parquet_columns(path), "Parquet", _parquet_rows)
    if path.suffix.lower() in _JSON_LINES:
        return Table(path, _json_columns(path), "JSON, an object a line", _json_rows)
    if path.suffix.lower() == ".parquet":
        raise DataError(f"{path} is no Parquet file, whatever its name: give a CSV, TSV, JSONL or Parquet file")
    dialect = find_dialect(path, encoding, columns)
    with _lines(path, dialect) as lines:
        header = next(_decoded(split_records(lines, dialect.python()), path, dialect.encoding), None)
    if not isinstance(header, RawRecord) or _damage(header.fields):
        raise DataError(f"the header line of {path} cannot be read: its first line must name the columns")
    names = tuple(name.strip() or f"column{i + 1}" for i, name in enumerate(header.fields))
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"{path} names a column twice ({', '.join(sorted(repeated))}): give each its own name")
    return Table(path, names, dialect.describe(), partial(_delimited_rows, dialect=dialect))


def _lines(path: Path, dialect: Dialect) -> TextIO:
    wide = dialect.encoding.startswith(("utf-16", "utf-32"))
    return path.open(encoding=dialect.encoding, errors="replace" if wide else "surrogateescape", newline="")


def _delimited_rows(table: Table, dialect: Dialect) -> Iterator[Record | BadRow]:
    width = len(table.columns)
    with _lines(table.path, dialect) as lines:
        records = _decoded(split_records(lines, dialect.python()), table.path, dialect.encoding)
        next(records)
        for record in records:
            if isinstance(record, BadRow):
                yield record
                continue
            values: dict[str, object] = dict(zip(table.columns, record.fields, strict=False))
            if len(record.fields) != width:
                reason: str | None = f"it has {len(record.fields)} fields where the header has {width}"
            else:
                reason = _damage(record.fields)
            yield BadRow(record.line, reason, _printable(values)) if reason else Record(record.line, values)


def _decoded(records: Iterator[RawRecord | BadRow], path: Path, encoding: str) -> Iterator[RawRecord | BadRow]:
    """The same records; for the few encodings (UTF-7, HZ) that cannot step over undecodable bytes, an error."""
    try:
        yield from records
    except UnicodeError as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None


def _damage(fields: list[str]) -> str | None:
    """Why text cannot be trusted: bytes outside the encoding, or NUL."""
    for field in fields:
        if "\x00" in field:
            return "it holds a NUL byte"
        if not field.isascii() and any("\udc80" <= character <= "\udcff" for character in field):
            return "it holds bytes that are not in the file's encoding"
    return None


def _printable(values: dict[str, object]) -> dict[str, object]:
    """The values with undecodable bytes replaced, so that the row can still be written out and shown."""
    return {key: str(value).encode("utf-8", "replace").decode() for key, value in values.items()}


def _json_columns(path: Path) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for _, value in islice(_json_lines(path), _JSON_SAMPLE_ROWS):
        if isinstance(value, dict):
            names.update(dict.fromkeys(value))
    if not names:
        raise DataError(f'{path} has no JSON object in its first lines: write one a line, such as {{"text": "…"}}')
    return tuple(names)


def _json_rows(table: Table) -> Iterator[Record | BadRow]:
    for line, value in _json_lines(table.path):
        if not isinstance(value, dict):
            yield BadRow(line, value if isinstance(value, str) else "it holds no JSON object", {})
            continue
        values = {name: value.get(name) for name in table.columns}
        reason = _unwritable([text for text in values.values() if isinstance(text, str)])
        yield BadRow(line, reason, {}) if reason else Record(line, values)


def _unwritable(texts: list[str]) -> str | None:
    """Why a JSON string, whose escapes can spell anything, is no text."""
    if any("\x00" in text for text in texts):
        return "it holds a NUL character"
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "it holds half of a character pair"
    return None


def _json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """Line number and object of every line that is not blank; of one that cannot be read, the reason."""
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            try:
                value = json.loads(raw.strip().removeprefix(b"\xef\xbb\xbf") if line == 1 else raw.strip())
            except UnicodeDecodeError:
                value = "it holds bytes that are not UTF-8"
            except (ValueError, RecursionError) as error:
                value = f"it is no JSON ({getattr(error, 'msg', 'too deep')})"
            yield line, value if isinstance(value, dict | str) else None


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import duckdb

    try:
        with duckdb.connect() as connection:
            description = connection.execute(f"{_READ_PARQUET} LIMIT 0", [glob.escape(str(path))]).description
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is a damaged Parquet file ({reason}): write it again") from None
    return tuple(column[0] for column in description or ())


def _parquet_rows(table: Table) -> Iterator[Record | BadRow]:
    import duckdb

    line = 1
    with duckdb.connect() as connection:
        try:
            cursor = connection.execute(_READ_PARQUET, [glob.escape(str(table.path))])
            while batch := cursor.fetchmany(_PARQUET_BATCH_ROWS):
                for values in batch:
                    line += 1
                    yield Record(line, dict(zip(table.columns, values, strict=True)))
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{table.path} is damaged after row {line - 1} ({reason}): write it again") from None
