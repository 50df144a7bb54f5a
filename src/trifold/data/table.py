"""An opened data file, however it is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trifold.types import BadRow, Record


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


def unwritable(values: list[object]) -> str | None:
    """Why a row's strings, which JSON and Parquet can hold anything in, are no text."""
    for value in values:
        parts = value if isinstance(value, list) else (value,)
        if any(isinstance(part, str) and "\x00" in part for part in parts):
            return "it holds a NUL character"
    return None
