"""Vectors of a file on disk while they are computed, so that a command that was killed goes on where it was.

They lie in a hidden folder beside the file that they are for: `vectors.npy`, to which slices are added, and
`progress.json`, which says how many rows of it count. A slice counts once it is flushed to disk, and never before.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypedDict

import numpy as np

from trifold.atomic import remove, replaced_file
from trifold.errors import ArtifactError, TrifoldError
from trifold.events import say
from trifold.file_lock import beside
from trifold.formatting import counted
from trifold.schema import Count, read_facts

# Room for a header whose number of rows is written last; a multiple of 64, as the format wants it.
_HEADER_BYTES = 128
_DATA, _PROGRESS = "vectors.npy", "progress.json"


class _Progress(TypedDict):
    about: str
    rows: Count
    truncated: Count


class UnfinishedVectors:
    """Rows of vectors in a file of NumPy's format 1.0 whose header is written last, into space that was left for it.

    Args:
        folder: Where file and progress lie.
        about: Hash of everything that determines the vectors.
        width: Numbers of a vector.
        rows: Rows that are there already.
        truncated: How many of them are of texts that were cut.

    Attributes:
        rows: Rows that count.
        truncated: How many of them are of texts that were cut.
    """

    def __init__(self, folder: Path, about: str, width: int, rows: int = 0, truncated: int = 0) -> None:
        self._folder, self._about, self._width = folder, about, width
        self.rows, self.truncated = rows, truncated
        path = folder / _DATA
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(_HEADER_BYTES + 4 * width * rows)
        self._file.seek(0, os.SEEK_END)

    def add(self, vectors: np.ndarray, truncated: int) -> None:
        """Add the vectors of the next rows, `(rows, width)`, for good; so many of their texts were cut."""
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows += len(vectors)
        self.truncated += truncated
        progress = {"about": self._about, "rows": self.rows, "truncated": self.truncated}
        with replaced_file(self._folder / _PROGRESS) as aside:
            aside.write_text(json.dumps(progress), encoding="utf-8")

    def slices(self, rows: int) -> Iterator[np.ndarray]:
        """All vectors in their order, so many rows at a time."""
        self._file.seek(_HEADER_BYTES)
        for start in range(0, self.rows, rows):
            content = self._file.read(4 * self._width * min(rows, self.rows - start))
            yield np.frombuffer(content, dtype="<f4").reshape(-1, self._width)

    def become(self, path: Path) -> None:
        """Make the array that holds all vectors appear at a path, without copying it where that can be."""
        described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self.rows}, {self._width}), }}"
        magic = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
        self._file.seek(0)
        self._file.write(magic + described.ljust(_HEADER_BYTES - 11).encode("latin-1") + b"\n")
        self._file.flush()
        try:
            # A second name already is that of a result, finished by a command that was cut short right after.
            if os.fstat(self._file.fileno()).st_nlink > 1:
                raise FileExistsError
            os.link(self._folder / _DATA, path)
        except OSError:
            # A pipe, or a file system without second names.
            with (self._folder / _DATA).open("rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def folder_for(output: Path) -> Path:
    """Where the vectors for a file lie while they are computed."""
    return beside(output, ".unfinished")


@contextlib.contextmanager
def unfinished_vectors(output: Path, about: str, width: int) -> Iterator[UnfinishedVectors]:
    """Vectors for a file: those that an earlier command left, if it was about the same, or none yet.

    They stay there if the command is cut short, which is said, until `remove` of `folder_for` takes them away. After a
    mistake of the user's, which will have changed what they depend on, they go.

    Args:
        output: The file; whoever calls this holds its lock.
        about: Hash of everything that determines the vectors.
        width: Numbers of a vector.
    """
    folder = folder_for(output)
    kept = _opened(folder, about, width, output)
    try:
        yield kept
    except TrifoldError:
        kept.close()
        remove(folder)
        raise
    except BaseException:
        kept.close()
        if kept.rows:
            say(f"note: the vectors of {counted(kept.rows, 'row')} are kept: the same command goes on from there")
        else:
            remove(folder)
        raise
    kept.close()


def _opened(folder: Path, about: str, width: int, output: Path) -> UnfinishedVectors:
    progress = _progress_in(folder)
    size = (folder / _DATA).stat().st_size if (folder / _DATA).is_file() else 0
    if progress is not None and progress[0] == about and size >= _HEADER_BYTES + 4 * width * progress[1]:
        say(f"{counted(progress[1], 'row')} were embedded before this command was interrupted: it goes on from there")
        return UnfinishedVectors(folder, about, width, *progress[1:])
    if progress is not None:
        say(f"note: {output} was begun with another input, model or settings: its vectors are computed afresh")
    remove(folder)
    folder.mkdir()
    return UnfinishedVectors(folder, about, width)


def _progress_in(folder: Path) -> tuple[str, int, int] | None:
    """What the vectors are about, rows, and texts that were cut; `None` where nothing is kept, or it is damaged."""
    try:
        found = read_facts(folder / _PROGRESS, _Progress)
        return found["about"], found["rows"], found["truncated"]
    except ArtifactError:
        return None
