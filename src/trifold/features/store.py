"""Arrays that were computed from texts, kept on disk so that all methods, heads, epochs and runs compute them once.

A store holds arrays of one kind. Its name is a hash of everything that determines an array apart from the text: the
weights and their configuration, what was computed (`what`), precision, device and processor, the versions of the
libraries, and the format of the files. Inside a store an array is found by a digest of the text's tokens; tokenizer,
maximum length and the rule for long texts need no place in the name, since they only act through the tokens. (The
tokens themselves are kept in a store of their own, by a digest of the text.)

A store is a folder of segments: a data file and an index each. The index is renamed into place last, so a process that
is killed leaves nothing that could be mistaken for a segment.
"""

import json
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from trifold.cache_folder import cache_folder
from trifold.features.segment_index import read_index, write_index
from trifold.features.store_limits import shrink
from trifold.hashing import content_address
from trifold.version import VERSION, installed_versions

# Version of the file format: raise it whenever the files are written or read in another way.
_FORMAT = 2
# Another version of these may compute other values or tokens from the same settings.
_LIBRARIES = ("torch", "transformers", "tokenizers", "onnxruntime")
# The cache may be cleared while a segment is written; then it is written again.
_ATTEMPTS = 3


class Store:
    """Arrays `(rows, width)` of one kind, found by digests of 16 bytes.

    Args:
        kind: The settings that the arrays are computed with, as values that JSON can hold. Together with a digest they
            must determine an array.
        width: Width of every array.
        limit_bytes: What all stores together may take on disk; the least recently used segments are removed first.
        root: The cache folder; the user's by default.
        dtype: Number format of the arrays.
    """

    def __init__(
        self,
        kind: dict[str, object],
        width: int,
        limit_bytes: int,
        root: Path | None = None,
        dtype: type[np.generic] = np.float16,
    ) -> None:
        self._root = (root or cache_folder()) / "features"
        versions = {"trifold": VERSION, **installed_versions(*_LIBRARIES)}
        self._kind = {**kind, "format": _FORMAT, "width": width, "dtype": np.dtype(dtype).name, **versions}
        self._folder = self._root / content_address(self._kind)
        self._width, self._dtype = width, dtype
        self._limit = limit_bytes
        # Of each text its data file, and first and last row (exclusive) of its array there.
        self._rows: dict[bytes, tuple[np.ndarray, int, int]] = {}
        self._seconds: dict[bytes, float] = {}
        for index in sorted(self._folder.glob("*.npz")):
            self._open(index)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def read(self, digest: bytes) -> np.ndarray:
        """The array of a text, `(rows, width)`, a view of the file on disk.

        Raises:
            KeyError: If the store does not hold it.
        """
        data, start, end = self._rows[digest]
        return data[start:end]

    def seconds(self, digests: Sequence[bytes]) -> float:
        """Time in seconds that computing these arrays took when they were written."""
        return sum(self._seconds[digest] for digest in digests)

    def write(self, digests: Sequence[bytes], arrays: Sequence[np.ndarray], seconds: float) -> None:
        """Add a segment; other processes see all of it or nothing.

        Args:
            digests: One for each array.
            arrays: `(rows, width)` each; floats as `half` returns them.
            seconds: Time that computing all of them took.

        Raises:
            OSError: If it cannot be written.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                index = self._write(digests, arrays, seconds)
                break
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise
        self._open(index)
        shrink(self._limit, self._root)

    def _write(self, digests: Sequence[bytes], arrays: Sequence[np.ndarray], seconds: float) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        index = self._folder / f"{uuid.uuid4().hex}.npz"
        kind, data, entries = (index.with_suffix(f".{part}.partial") for part in ("json", "bin", "npz"))
        try:
            with data.open("wb") as file:
                for array in arrays:
                    file.write(np.ascontiguousarray(array).data)
                file.flush()
                os.fsync(file.fileno())
            write_index(entries, digests, [len(array) for array in arrays], seconds)
            kind.write_text(json.dumps(self._kind, indent=1, sort_keys=True) + "\n")
            # The index comes last, since readers look for indices.
            os.replace(kind, self._folder / "kind.json")
            os.replace(data, index.with_suffix(".bin"))
            os.replace(entries, index)
        finally:
            for unfinished in (kind, data, entries):
                unfinished.unlink(missing_ok=True)
        return index

    def _open(self, index: Path) -> None:
        try:
            digests, offsets, seconds = read_index(index)
            data = np.memmap(index.with_suffix(".bin"), dtype=self._dtype, mode="r").reshape(-1, self._width)
            if len(data) != offsets[-1]:
                raise ValueError
        except (OSError, ValueError):
            # Damaged, or just removed by another process: its arrays are computed again.
            return
        # The time of change records the last use.
        with suppress(OSError):
            os.utime(index)
        for number, digest in enumerate(digests):
            key = digest.tobytes()
            self._rows[key] = (data, int(offsets[number]), int(offsets[number + 1]))
            self._seconds[key] = seconds / len(digests)
