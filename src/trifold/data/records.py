"""Split lines of delimited text into records, losing one row, not the file, to a broken quote.

Python's csv module does the parsing, strictly. What is ours is the recovery: where a quote never
closes properly, the line that opened it is reported and reading goes on at the very next line.
Knows nothing of columns, encodings or labels.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from trifold.types import BadRow

# A quoted field may span lines (reviews do), but an unclosed quote must not swallow the rest of the file.
_MAX_LINES_PER_RECORD = 1_000
_MAX_FIELD_CHARACTERS = 1 << 30
_UNCLOSED = "a quote is opened and never properly closed"


@dataclass(frozen=True)
class RawRecord:
    """Fields of one record and the 1-based physical line it starts on."""

    line: int
    fields: list[str]


def split_records(lines: Iterable[str], dialect: type[csv.Dialect]) -> Iterator[RawRecord | BadRow]:
    """Yield a record or a bad row for every row in `lines`, in order.

    Args:
        lines: Physical lines with their ends.
        dialect: A strict csv dialect.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    source = iter(lines)
    waiting: deque[str] = deque()
    number = 0

    def look_ahead(position: int) -> str | None:
        while len(waiting) <= position:
            line = next(source, None)
            if line is None:
                return None
            waiting.append(line)
        return waiting[position]

    empty = 0
    while (first := look_ahead(0)) is not None:
        number += 1
        if not first.strip():
            waiting.popleft()
            empty += 1
            continue
        # Reported only now that a row follows: empty lines at the end of a file are no rows.
        for line in range(number - empty, number):
            yield BadRow(line, "the row is empty", {})
        empty = 0
        fields, used = _parse_from(look_ahead, dialect)
        for _ in range(used):
            waiting.popleft()
        yield BadRow(number, _UNCLOSED, {}) if fields is None else RawRecord(number, fields)
        number += used - 1


def _parse_from(look_ahead: Callable[[int], str | None], dialect: type[csv.Dialect]) -> tuple[list[str] | None, int]:
    """Parse the record that starts at the next line: its fields, `None` if it is broken, and the lines it used."""
    used = 0

    def lines() -> Iterator[str]:
        nonlocal used
        while used < _MAX_LINES_PER_RECORD and (line := look_ahead(used)) is not None:
            used += 1
            yield line

    try:
        fields = next(csv.reader(lines(), dialect), None)
    except csv.Error:
        fields = None
    return (None, 1) if fields is None else (fields, used)
