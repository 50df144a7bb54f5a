"""The files that were given to an app, each in a folder of its own under a name that is safe."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trifold.app.numbers import is_number, new_number, read_numbered
from trifold.atomic import write_json
from trifold.errors import DataError
from trifold.schema import Amount, Count, JsonRecord
from trifold.web.names import safe_name

_RECORD, _GONE = "file.json", "there is no such file: it may have been removed; give it again"


@dataclass(frozen=True, kw_only=True)
class FileRecord(JsonRecord):
    """A file that was given.

    Attributes:
        name: Its safe name.
        size: Bytes.
        created: When it came, in seconds since 1970.
        labels: Whether it was given for something else than to learn from, such as to be labelled.
    """

    name: str
    size: Count
    created: Amount
    labels: bool = False


class GivenFiles:
    """The files in a folder.

    Args:
        folder: One folder a file, made where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            # What was still arriving as the app ended is worth nothing.
            if is_number(path.name) and not (path / _RECORD).exists():
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def arriving(self, name: str, *, labels: bool = False) -> Iterator[tuple[str, Path]]:
        """Number of a new file, and where to write it; it is there only if nothing fails.

        Raises:
            DataError: If it is of a kind that is not read, or empty.
        """
        safe, number = safe_name(name), new_number()
        folder = self._folder / number
        folder.mkdir()
        path = folder / safe
        try:
            yield number, path
            size = path.stat().st_size
            if not size:
                raise DataError("the file is empty: choose one with rows")
            record = FileRecord(name=safe, size=size, created=time.time(), labels=labels)
            write_json(folder / _RECORD, record.as_json())
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def get(self, number: str) -> FileRecord:
        """A file by its number.

        Raises:
            DataError: If there is none.
        """
        found: FileRecord = read_numbered(self._folder, number, _RECORD, FileRecord, _GONE)
        return found

    def path(self, number: str) -> Path:
        """Where a file lies.

        Raises:
            DataError: If there is none.
        """
        return (self._folder / number / self.get(number).name).absolute()

    def remove(self, number: str) -> None:
        """Remove a file.

        Raises:
            DataError: If there is none.
        """
        shutil.rmtree(self.path(number).parent, ignore_errors=True)

    def all(self) -> list[tuple[str, FileRecord]]:
        """Number and record of every file, the newest first."""
        found = []
        for path in self._folder.iterdir():
            if (path / _RECORD).exists():
                try:
                    found.append((path.name, self.get(path.name)))
                except DataError:
                    continue
        return sorted(found, key=lambda pair: -pair[1].created)
