"""Open a data file as a stream of records, larger than memory where need be. What it holds decides, not its name."""

from collections.abc import Collection
from pathlib import Path

from trifold.data.delimited import open_delimited
from trifold.data.encoding import SAMPLE_BYTES, python_name, wide_encoding
from trifold.data.hub import local_file
from trifold.data.json_rows import is_array, is_object, open_json
from trifold.data.parquet import open_parquet
from trifold.data.source import is_packed, open_source, plain_suffix
from trifold.data.table import Table
from trifold.data.workbook import is_workbook, open_workbook
from trifold.errors import DataError

_JSON_NAMES = (".json", ".jsonl", ".ndjson")


def open_table(
    path: Path | str,
    encoding: str | None = None,
    columns: int = 2,
    header: bool | None = None,
    known: Collection[str] = (),
) -> Table:
    """Open `path` and find out what its columns are called.

    Args:
        path: The file, standard input or a data set of the hub as in `local_file`; text may be packed by gzip, bzip2
            or xz.
        encoding: Overrides what would be found.
        columns: The fewest that make sense, as in `find_dialect`.
        header: Whether the first row names the columns; found out where `None`.
        known: Names of columns that are asked for.

    Raises:
        DataError: If there is no such file, it is a folder, empty, binary, of another kind, or has no header to speak
            of.
    """
    path = local_file(Path(path))
    workbook = is_workbook(path)
    table = None if workbook else _open_named(path, encoding)
    if workbook:
        table = open_workbook(path, header, known)
    elif table is None:
        table = open_delimited(path, encoding, columns, header, known)
    elif header is not None:
        flag = "--header" if header else "--no-header"
        raise DataError(f"{path} is {table.description}, where every column has a name: leave out {flag}")
    if any("\x00" in name for name in table.columns):
        raise DataError(f"a column name in {path} holds a NUL character: rename the column")
    return table


def _open_named(path: Path, encoding: str | None) -> Table | None:
    """A file of a format that names its columns: Parquet or JSON; `None` for any other."""
    with open_source(path) as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample:
        raise DataError(f"{path} is empty: it needs a header line and rows, such as text,label")
    if sample.startswith(b"PAR1"):
        if is_packed(path):
            raise DataError(f"{path} is a packed Parquet file, which packs its columns itself: unpack it")
        return open_parquet(path)
    if plain_suffix(path) == ".parquet":
        raise DataError(f"{path} is no Parquet file, whatever its name: give a CSV, TSV, JSONL or Parquet file")
    found = python_name(encoding, sample, path) if encoding else wide_encoding(sample)
    beginning = sample.decode(found or "utf-8", "replace").lstrip("\ufeff \t\r\n")
    array = is_array(beginning)
    if array or plain_suffix(path) in _JSON_NAMES or is_object(beginning.split("\n", 1)[0].strip()):
        return open_json(path, None if found in ("utf-8", "utf-8-sig") else found, array=array)
    return None
