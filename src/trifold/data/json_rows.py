"""JSON: an object a line, or one array of objects."""

import json
import re
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from trifold.data import limits
from trifold.data.csv_records import bounded_lines
from trifold.data.source import open_source
from trifold.data.table import Table, unwritable
from trifold.errors import DataError
from trifold.json_reading import parse_json
from trifold.types import BadRow, Record

# Objects may lack keys, so the columns are those of the first so many.
_SAMPLE_ROWS = 1_000
_ARRAY_OF_OBJECTS = re.compile(r"\s*\[\s*[{\]]")
_SPACE = re.compile(r"[\s\ufeff]*")


def is_array(beginning: str) -> bool:
    """Whether a file with this beginning is one JSON array, empty or of objects."""
    return _ARRAY_OF_OBJECTS.match(beginning.lstrip("\ufeff")) is not None


def is_object(line: str) -> bool:
    """Whether a line is a whole JSON object, be it one with a value that is refused, such as NaN."""
    if not line.startswith("{"):
        return False
    try:
        return isinstance(parse_json(line), dict)
    except json.JSONDecodeError:
        return False
    except ValueError:
        return True


def open_json(path: Path, encoding: str | None, *, array: bool) -> Table:
    """Open a JSON file; its columns are the keys of the first 1,000 objects.

    Args:
        path: The file.
        encoding: A Python codec name; `None` for UTF-8, where a line with other bytes is a bad row.
        array: Whether the file is one array of objects, instead of an object a line.

    Raises:
        DataError: If the first lines hold no object or too many keys, or an array is too large or damaged.
    """
    read = partial(_array, path, encoding) if array else partial(_lines, path, encoding)
    names: dict[str, None] = {}
    first = list(islice(read(), _SAMPLE_ROWS))
    found = [value for _, value in first if isinstance(value, dict)]
    for value in found:
        names.update(dict.fromkeys(value))
    if not names:
        reason = next((f" (line {line}: {value})" for line, value in first if isinstance(value, str)), "")
        raise DataError(
            f"{path} has no usable JSON object in its first lines{reason}: write one a line, such as "
            '{"text": "…"}, or an array of them'
        )
    if len(found) == 1 and all(isinstance(value, dict | list) for value in found[0].values()):
        raise DataError(
            f'{path} holds one object of columns, not rows: write an object a line, in pandas by orient="records", '
            "lines=True"
        )
    limits.require_columns(len(names), path)

    def rows(table: Table) -> Iterator[Record | BadRow]:
        return _rows(table, read())

    described = "JSON, an array of objects" if array else "JSON, an object a line"
    return Table(path, tuple(names), described + (f", {encoding}" if encoding else ""), rows)


def _rows(table: Table, values: Iterator[tuple[int, object]]) -> Iterator[Record | BadRow]:
    for line, value in values:
        if not isinstance(value, dict):
            yield BadRow(line, value if isinstance(value, str) else "it holds no JSON object", {})
            continue
        row = {name: value.get(name) for name in table.columns}
        reason = unwritable(list(row.values()))
        yield BadRow(line, reason, {}) if reason else Record(line, row)


def _parsed(text: str | bytes) -> object:
    """The JSON object in `text`; `None` if it is another JSON value; the reason, as text, if it is not JSON."""
    try:
        value = parse_json(text)
    except UnicodeDecodeError:
        return "it holds bytes that are not UTF-8"
    except json.JSONDecodeError as error:
        return f"it is no JSON ({error.msg})"
    except ValueError as error:
        return str(error)
    return value if isinstance(value, dict) else None


def _lines(path: Path, encoding: str | None) -> Iterator[tuple[int, object]]:
    """Line number and `_parsed` value of every line that is not blank."""
    with open_source(path) as file, _decoded(file, encoding) as lines:
        try:
            for line, raw in enumerate(bounded_lines(lines), start=1):
                if len(raw) > limits.MAX_LINE_LENGTH:
                    yield line, limits.LONG_LINE
                elif stripped := raw.strip():
                    yield line, _parsed(stripped)
        except UnicodeError as error:
            raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None


def _decoded(file: BinaryIO, encoding: str | None) -> IO[Any]:
    """The file as text; as bytes if it is to be UTF-8, so that a line with other bytes is one bad row and no error."""
    if encoding is None:
        return file
    return TextIOWrapper(file, encoding=encoding, errors="replace" if encoding.startswith("utf-") else "strict")


def _array(path: Path, encoding: str | None) -> Iterator[tuple[int, object]]:
    """Position, from 1, and `_parsed` value of every member of an array."""
    with open_source(path) as file:
        content = file.read(limits.MAX_JSON_ARRAY_BYTES + 1)
    if len(content) > limits.MAX_JSON_ARRAY_BYTES:
        raise DataError(
            f"{path} is an array of more than {limits.MAX_JSON_ARRAY_BYTES:,} bytes: write an object a line, which is "
            "read a line at a time"
        )
    try:
        text = content.decode(encoding or "utf-8-sig")
        decoder = json.JSONDecoder()
        place = _after_space(text, _after_space(text, 0) + 1)
        number = 0
        while text[place] != "]":
            start = place
            _, place = decoder.raw_decode(text, place)
            number += 1
            yield number, _parsed(text[start:place])
            place = _after_space(text, place)
            if text[place] == ",":
                place = _after_space(text, place + 1)
            elif text[place] != "]":
                raise ValueError(f"a comma or ] is missing after object {number:,}")
        if _after_space(text, place + 1) < len(text):
            raise ValueError("something stands behind its end")
    except (ValueError, IndexError, RecursionError) as error:
        reason = {IndexError: "it ends too early", RecursionError: "it nests too deep"}.get(type(error), str(error))
        raise DataError(
            f"{path} is no JSON array of objects ({reason}): correct it, or write an object a line"
        ) from None


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place
