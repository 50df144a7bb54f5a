"""Files of installed packages, found in their lists of files: no package is imported, so none of its code runs."""

import importlib.metadata
import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO


def package_file(package: str, ending: str) -> Path | None:
    """The file of an installed package whose name ends so; `None` where there is no such package, or no such file."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name.endswith(ending))
    return next((path for path in found if path.is_file()), None)


class JoinedFiles(io.RawIOBase):
    """Some files, read as one that is their contents one after the other.

    Args:
        paths: The files, in order.

    Raises:
        OSError: If one cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = tuple(paths)
        # Where each file ends in the whole.
        self._ends = list(accumulate(path.stat().st_size for path in self._paths))
        self._position = 0
        self._number: int | None = None
        self._file: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"there is nothing before the start: {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the file that the position lies in; 0 at the end."""
        if self._position >= self.size:
            return 0
        number = bisect_right(self._ends, self._position)
        file = self._opened(number)
        file.seek(self._position - (self._ends[number - 1] if number else 0))
        count = file.readinto(memoryview(buffer)[: self._ends[number] - self._position])  # type: ignore[attr-defined]
        if not count:
            raise OSError(f"{self._paths[number]} is shorter than it was")
        self._position += count
        return int(count)

    def close(self) -> None:
        """See `io.RawIOBase`."""
        if self._file is not None:
            self._file.close()
        super().close()

    def _opened(self, number: int) -> BinaryIO:
        if self._file is None or self._number != number:
            if self._file is not None:
                self._file.close()
            self._file, self._number = self._paths[number].open("rb"), number
        return self._file
