"""An opened data file of any format."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.data.limits import require_columns
from trifold.errors import DataError
from trifold.events import say
from trifold.types import BadRow, Record

# A row of a result: column to value.
Row = Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A data file, opened.

    Attributes:
        path: The file.
        columns: Column names in file order.
        description: The format in words.
        read: Opens the file anew and yields its rows.
        note: What the user should know about how the file is read; may be empty.
        typed: Whether values may be other than text.
    """

    path: Path
    columns: tuple[str, ...]
    description: str
    read: Callable[["Table"], Iterator[Record | BadRow]]
    note: str = ""
    typed: bool = True

    def rows(self) -> Iterator[Record | BadRow]:
        """Every row of the file in order, as a `Record` or, if it cannot be read, a `BadRow` with the reason."""
        return self.read(self)

    def tell(self) -> None:
        """Say its note, if there is one."""
        if self.note:
            say(f"note: {self.note}")


@dataclass(frozen=True)
class VectorOf:
    """The type of an added column that holds vectors.

    Attributes:
        width: 32-bit numbers of each.
    """

    width: int


@dataclass(frozen=True)
class ResultTable:
    """The columns of a result.

    Attributes:
        source: The file whose rows and columns come back.
        added: Added column to the type of its values: `str`, `int`, `float` (a probability, say), `bool`, or a
            `VectorOf`; `None` stands for a value that is missing.
    """

    source: Table
    added: Mapping[str, type | VectorOf]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return (*self.source.columns, *self.added)

    def require_new(self, what: str) -> None:
        """Refuse a file that has a column of the name of an added one.

        Args:
            what: Adds them, for the message.

        Raises:
            DataError: If it has.
        """
        for name in self.added:
            if name in self.source.columns:
                raise DataError(f"{self.source.path} already has a column {name!r}, which {what} would add: rename it")


def column_names(header: Sequence[str], path: Path) -> tuple[str, ...]:
    """The names in a header; a column without one gets its number.

    Raises:
        DataError: If there are too many, or two are the same.
    """
    require_columns(len(header), path)
    names = tuple(name.strip("\ufeff").strip() or f"column{i + 1}" for i, name in enumerate(header))
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(f"{path} names a column twice ({', '.join(repeated[:5])}): give each its own name")
    return names


def unwritable(values: list[object]) -> str | None:
    """Why the strings of a row from JSON or Parquet cannot be used as text; `None` if they can."""
    for value in values:
        parts = value if isinstance(value, list) else (value,)
        if any(isinstance(part, str) and "\x00" in part for part in parts):
            return "it holds a NUL character"
    return None
