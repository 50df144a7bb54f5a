"""An opened data file of any format."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trifold.types import BadRow, Record


@dataclass(frozen=True)
class Table:
    """A data file, opened.

    Attributes:
        path: The file.
        columns: Column names in file order.
        description: The format in words.
        read: Opens the file anew and yields its rows.
    """

    path: Path
    columns: tuple[str, ...]
    description: str
    read: Callable[["Table"], Iterator[Record | BadRow]]

    def rows(self) -> Iterator[Record | BadRow]:
        """Every row of the file in order, as a `Record` or, if it cannot be read, a `BadRow` with the reason."""
        return self.read(self)


def unwritable(values: list[object]) -> str | None:
    """Why the strings of a row from JSON or Parquet cannot be used as text; `None` if they can."""
    for value in values:
        parts = value if isinstance(value, list) else (value,)
        if any(isinstance(part, str) and "\x00" in part for part in parts):
            return "it holds a NUL character"
    return None
