"""The most that is read of a file. docs/data.md holds the same table in words.

Each is far above what texts with labels need, and low enough that a file made to be hostile, or one that is no table
at all, ends in a sentence before it fills memory.
"""

from trifold.errors import DataError

MAX_COLUMNS = 10_000
# A book has some five million characters.
MAX_FIELD_CHARACTERS = 1 << 24
# Characters of a CSV, bytes of a JSON line.
MAX_LINE_LENGTH = 1 << 26
# A quoted field may span lines (reviews do), but an unclosed quote must not swallow the rest of the file.
MAX_LINES_PER_RECORD = 1_000
# Lines above the header: a title, the date of an export.
MAX_LINES_ABOVE_HEADER = 20
# Of a file that is read whole, to learn from or to be measured on; others are streamed and have no end.
MAX_ROWS = 100_000_000
# An array is read whole, unlike lines.
MAX_JSON_ARRAY_BYTES = 1 << 30
# Between two rows of a workbook: what stands below more than these is a stray cell.
MAX_EMPTY_ROWS = 10_000
# What a workbook unpacks to.
MAX_WORKBOOK_BYTES = 1 << 30
# Standard input is kept in a temporary file.
MAX_STANDARD_INPUT_BYTES = 1 << 36

LONG_LINE = f"the line is longer than {MAX_LINE_LENGTH:,} characters"
LONG_FIELD = f"a field is longer than {MAX_FIELD_CHARACTERS:,} characters"


def require_columns(count: int, source: object) -> None:
    """Refuse a table that is too wide.

    Raises:
        DataError: If it has more than `MAX_COLUMNS` columns.
    """
    if count > MAX_COLUMNS:
        raise DataError(
            f"{source} has {count:,} columns and the most that are read are {MAX_COLUMNS:,}: "
            "keep the columns of the texts and labels"
        )
