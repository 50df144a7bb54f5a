"""Split lines of delimited text into records, so that a broken quote costs one row and not the rest of the file.

Python's csv module parses, in its strict mode. This file adds the recovery: if a quote is never closed properly, the
line with the opening quote becomes a bad row, and reading goes on at the next line. It does not know columns, encodings
or labels.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, AnyStr

from trifold.data import limits
from trifold.types import BadRow

EMPTY_ROW = "the row is empty"
# After so many rows whose quote is never closed, the next may have only so many lines.
_UNCLOSED_IN_A_ROW, _FEW_LINES = 20, 10
_UNCLOSED = "a quote is opened and never properly closed"
_TOO_LARGE = "field larger than field limit"


@dataclass(frozen=True)
class RawRecord:
    """The fields of one record, and the line of the file that it starts on, from 1."""

    line: int
    fields: list[str]


def bounded_lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """The lines of a file with their line ends; one longer than `MAX_LINE_LENGTH` is cut to that and a character."""
    while line := file.readline(limits.MAX_LINE_LENGTH + 1):
        yield line
        rest = line
        while len(rest) > limits.MAX_LINE_LENGTH and not rest.endswith(_ends(rest)):
            rest = file.readline(limits.MAX_LINE_LENGTH + 1)


def _ends(line: AnyStr) -> tuple[AnyStr, ...]:
    return ("\n", "\r") if isinstance(line, str) else (b"\n",)


def split_records(lines: Iterable[str], dialect: type[csv.Dialect], first: int = 1) -> Iterator[RawRecord | BadRow]:
    """Yield a record or a bad row for every row in `lines`, in order.

    Args:
        lines: Physical lines with their ends.
        dialect: A strict csv dialect.
        first: Number of the first line.
    """
    csv.field_size_limit(limits.MAX_FIELD_CHARACTERS)
    source = iter(lines)
    waiting: deque[str] = deque()
    number = first - 1

    def look_ahead(position: int) -> str | None:
        while len(waiting) <= position:
            line = next(source, None)
            if line is None:
                return None
            waiting.append(line)
        return waiting[position]

    empty = unclosed = 0
    while (line := look_ahead(0)) is not None:
        number += 1
        if not line.strip():
            waiting.popleft()
            empty += 1
            continue
        # Reported only now that a row follows: empty lines at the end of a file are no rows.
        for passed in range(number - empty, number):
            yield BadRow(passed, EMPTY_ROW, {})
        empty = 0
        # Where quote after quote is opened and never closed, looking far ahead for each would take hours.
        most = limits.MAX_LINES_PER_RECORD if unclosed < _UNCLOSED_IN_A_ROW else _FEW_LINES
        found, used = _parse_from(look_ahead, dialect, most)
        unclosed = unclosed + 1 if found == _UNCLOSED else 0
        for _ in range(used):
            waiting.popleft()
        yield BadRow(number, found, {}) if isinstance(found, str) else RawRecord(number, found)
        number += used - 1


def _parse_from(
    look_ahead: Callable[[int], str | None], dialect: type[csv.Dialect], most: int
) -> tuple[list[str] | str, int]:
    """Parse the record that starts at the next line: its fields, or why there are none, and the lines it used.

    Args:
        look_ahead: Gives the line so many lines ahead.
        dialect: As in `split_records`.
        most: Lines that a record may have.
    """
    used = 0

    def lines() -> Iterator[str]:
        nonlocal used
        while used < most and (line := look_ahead(used)) is not None:
            if len(line) > limits.MAX_LINE_LENGTH:
                raise csv.Error(limits.LONG_LINE)
            used += 1
            yield line

    try:
        fields = next(csv.reader(lines(), dialect), [])
        if dialect.escapechar and not _well_quoted(dialect.delimiter).fullmatch(
            "".join(look_ahead(position) or "" for position in range(used))
        ):
            raise csv.Error(_UNCLOSED)
        return fields, used
    except csv.Error as error:
        reasons = {limits.LONG_LINE: limits.LONG_LINE, _TOO_LARGE: limits.LONG_FIELD}
        return next((reason for said, reason in reasons.items() if said in str(error)), _UNCLOSED), 1


@cache
def _well_quoted(delimiter: str) -> re.Pattern[str]:
    """Matches a well-formed record with quotes escaped by a backslash, which Python's strict mode does not check."""
    plain = rf"(?:[^\\\r\n{re.escape(delimiter)}]++|\\.)*+"
    field = rf'(?:"(?:[^"\\]++|\\.)*+"|(?!"){plain})'
    return re.compile(rf"{field}(?:{re.escape(delimiter)}{field})*+[\r\n]*+", re.DOTALL)


def fitted(fields: list[str], header: list[str]) -> list[str] | None:
    """A record's fields, as many as the header has; `None` if there are too few or too many.

    Empty fields at the end of a row are dropped if they are too many, and added for columns without a name.
    """
    width = len(header)
    if len(fields) > width:
        return None if any(field.strip() for field in fields[width:]) else fields[:width]
    if any(name.strip() for name in header[len(fields) :]):
        return None
    return fields + [""] * (width - len(fields))
