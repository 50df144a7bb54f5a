"""What was computed of texts, kept on disk as arrays: methods, heads, epochs and runs need it once.

Entries are addressed by what determines them: the weights and their configuration, what was taken of them (a `kind`),
precision and processor, the versions of what computed, the format of the files, and the text's tokens; the tokenizer,
the maximum length and the rule for long texts have their say through the tokens, which are kept themselves, by text.
A store is a folder of segments, each an array and an index. The index is renamed into place last, so a process that is
killed leaves nothing that could be mistaken for a segment.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import time
import uuid
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np

from trifold.cache_folder import cache_folder, cannot_keep
from trifold.errors import ArtifactError
from trifold.runtime import memory_bytes
from trifold.schema import read_facts
from trifold.version import VERSION

_DIGEST_BYTES = 16
# Of the files; whatever changes how they are written or read makes it another one.
_FORMAT = 2
# What can change numbers or tokens without any setting of ours being another.
_MAKERS = ("torch", "transformers", "tokenizers", "onnxruntime")
# Someone may clear the cache while a segment is written; it is written again.
_ATTEMPTS = 3
# What a killed process left behind is cleared away once no living one can still be writing it.
_ABANDONED_SECONDS = 6 * 3_600.0
# Of memory, for what is computed and not yet written.
_WAITING_SHARE = 0.125


@cache
def _makers() -> dict[str, str]:
    """Versions of what computes, Trifold's own among them."""
    found = {"trifold": VERSION}
    for package in _MAKERS:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


class Segment(NamedTuple):
    """Arrays that were computed together.

    Attributes:
        numbers: Whose they are.
        arrays: `(rows, width)` each.
        seconds: What all of them took.
    """

    numbers: list[int]
    arrays: list[np.ndarray]
    seconds: float


@dataclass(frozen=True)
class StoredKind:
    """One store, for listing.

    Attributes:
        folder: Of the store.
        described: What its entries are of.
        texts: Entries.
        size_bytes: On disk.
        used: When it was last read or written, seconds since 1970.
    """

    folder: Path
    described: dict[str, object]
    texts: int
    size_bytes: int
    used: float


class Store:
    """Arrays of `(rows, width)` by digests of 16 bytes, of a text or of its tokens.

    Args:
        kind: What the entries are of, in plain values; together with the digest it must determine the array.
        width: Of every array.
        limit_bytes: What all stores together may take on disk; the longest unused segments go first.
        root: Where all stores lie.
        dtype: Of the arrays.
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
        kind = {**kind, "format": _FORMAT, "width": width, "dtype": np.dtype(dtype).name, **_makers()}
        name = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:32]
        self._folder = self._root / name
        self._kind = kind
        self._width, self._dtype = width, dtype
        self._limit = limit_bytes
        self._places: dict[bytes, tuple[np.ndarray, int, int]] = {}
        # Of each entry, the seconds that computing it took.
        self._seconds: dict[bytes, float] = {}
        for index in sorted(self._folder.glob("*.npz")):
            self._open(index)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places

    def read(self, digest: bytes) -> np.ndarray:
        """An entry, `(rows, width)`, a view of the file on disk.

        Raises:
            KeyError: If there is none.
        """
        data, start, end = self._places[digest]
        return data[start:end]

    def seconds(self, digests: Sequence[bytes]) -> float:
        """What computing these entries took when they were written."""
        return sum(self._seconds[digest] for digest in digests)

    def write(self, digests: Sequence[bytes], arrays: Sequence[np.ndarray], seconds: float) -> None:
        """Add a segment; readers see all of it or nothing.

        Args:
            digests: Of the texts.
            arrays: `(rows, width)` each; of floats as `half` gives them.
            seconds: What computing them took.

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
        asides = [index.with_suffix(f".{part}.partial") for part in ("bin", "npz", "json")]
        try:
            with asides[0].open("wb") as file:
                for array in arrays:
                    file.write(np.ascontiguousarray(array).data)
                file.flush()
                os.fsync(file.fileno())
            with asides[1].open("wb") as file:
                np.savez(
                    file,
                    digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST_BYTES),
                    offsets=np.cumsum([0, *(len(array) for array in arrays)]),
                    seconds=np.float64(seconds),
                )
                file.flush()
                os.fsync(file.fileno())
            asides[2].write_text(json.dumps(self._kind, indent=1, sort_keys=True) + "\n")
            # Readers look for indices: theirs is the last to come.
            for aside, target in zip(
                (asides[2], asides[0], asides[1]),
                (self._folder / "kind.json", index.with_suffix(".bin"), index),
                strict=True,
            ):
                os.replace(aside, target)
        finally:
            for aside in asides:
                aside.unlink(missing_ok=True)
        return index

    def _open(self, index: Path) -> None:
        try:
            digests, offsets, seconds = _read_index(index)
            data = np.memmap(index.with_suffix(".bin"), dtype=self._dtype, mode="r").reshape(-1, self._width)
            if len(data) != offsets[-1]:
                raise ValueError
        except (OSError, ValueError):
            # Damaged, or cleared by another process this moment: then it is computed again.
            return
        with suppress(OSError):
            os.utime(index)
        for number, digest in enumerate(digests):
            key = digest.tobytes()
            self._places[key] = (data, int(offsets[number]), int(offsets[number + 1]))
            self._seconds[key] = seconds / len(digests)


@contextmanager
def kept_or_computed(
    store: Store | None,
    digests: Sequence[bytes],
    compute: Callable[[list[int]], Iterator[Segment]],
    *,
    keep: bool = True,
) -> Iterator[tuple[list[np.ndarray], float]]:
    """Arrays from a store and, where it lacks them, computed and then kept.

    What is new is written by a thread, behind the computing of what comes next and behind whatever is done inside;
    leaving waits for it. In the list an array gives way to the file's pages once it is written, which the system may
    drop where memory is short.

    Args:
        store: Where they are kept; `None` keeps nothing.
        digests: What they stand under.
        compute: Those whose numbers it is given, which may be none, a segment after the other.
        keep: Whether what is computed is written there.

    Yields:
        An array for each digest, and the seconds that those from the store once took.
    """
    known = [number for number, digest in enumerate(digests) if store is not None and digest in store]
    arrays = [np.empty(0)] * len(digests)
    cached_seconds = 0.0
    if store is not None:
        for number in known:
            arrays[number] = store.read(digests[number])
        cached_seconds = store.seconds([digests[number] for number in known])
    with _Writer(store if keep else None, digests, arrays) as writer:
        writer.take(compute(sorted(set(range(len(digests))) - set(known))))
        yield arrays, cached_seconds


class _Writer:
    """Writes segments one after the other, by a thread; inside `with`, at whose end all are written.

    Args:
        store: Where to; `None` writes nothing.
        digests: Of all arrays.
        arrays: Of each digest; those that are written become views of the file.
    """

    def __init__(self, store: Store | None, digests: Sequence[bytes], arrays: list[np.ndarray]) -> None:
        self._store, self._digests, self._arrays = store, digests, arrays
        self._thread = ThreadPoolExecutor(1, "cache")
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._most = int(_WAITING_SHARE * memory_bytes())

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._leave(0)

    def take(self, segments: Iterator[Segment]) -> None:
        """Put the arrays of segments in their places and have them written; where too many wait, one at a time."""
        for segment in segments:
            for number, array in zip(segment.numbers, segment.arrays, strict=True):
                self._arrays[number] = array
            size = sum(array.nbytes for array in segment.arrays)
            self._leave(self._most - size)
            self._waiting.append((size, self._thread.submit(self._write, segment)))

    def _leave(self, most: int) -> None:
        """Wait until no more than so many bytes are still to be written."""
        while self._waiting and sum(size for size, _ in self._waiting) > most:
            self._waiting.popleft()[1].result()

    def _write(self, segment: Segment) -> None:
        if self._store is None or not segment.numbers:
            return
        try:
            self._store.write([self._digests[number] for number in segment.numbers], segment.arrays, segment.seconds)
        except OSError as error:
            cannot_keep(error)
            self._store = None
            return
        for number in segment.numbers:
            if self._digests[number] in self._store:
                self._arrays[number] = self._store.read(self._digests[number])


def _read_index(index: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """A segment's digests, offsets and seconds.

    Raises:
        OSError: If it is not there.
        ValueError: If it is damaged.
    """
    try:
        found = np.load(io.BytesIO(index.read_bytes()))
        digests, offsets, seconds = found["digests"], found["offsets"], float(found["seconds"])
    except (
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as e:
        raise ValueError(f"{index} is damaged") from e
    whole = (
        (digests.dtype, digests.ndim, digests.shape[-1]) == (np.uint8, 2, _DIGEST_BYTES)
        and (offsets.dtype.kind, offsets.shape) == ("i", (len(digests) + 1,))
        and offsets[0] == 0
        and (np.diff(offsets) >= 0).all()
        and 0 <= seconds < np.inf
    )
    if not whole:
        raise ValueError(f"{index} is damaged")
    return digests, offsets, seconds


def list_stores(root: Path | None = None) -> list[StoredKind]:
    """All stores, the latest used first."""
    found = []
    for folder in sorted(((root or cache_folder()) / "features").glob("*/")):
        try:
            facts = read_facts(folder / "kind.json", _Kind)
            described = {**facts, "what": facts["what"]}
        except ArtifactError:
            described = {"what": "damaged, to be cleared", "backbone": "unknown"}
        states, texts = [], 0
        for path in folder.iterdir():
            # Another process may drop it this moment.
            with suppress(FileNotFoundError):
                states.append((path.suffix, path.stat()))
                texts += _texts_in(path) if path.suffix == ".npz" else 0
        if not states:
            continue
        used = max((state.st_mtime for suffix, state in states if suffix == ".npz"), default=0.0)
        found.append(StoredKind(folder, described, texts, sum(state.st_size for _, state in states), used))
    return sorted(found, key=lambda store: -store.used)


class _Kind(TypedDict, total=False):
    what: str
    backbone: str
    precision: str
    layer: int


def _texts_in(index: Path) -> int:
    try:
        return len(_read_index(index)[0])
    except (OSError, ValueError):
        return 0


def shrink(limit_bytes: int, root: Path) -> None:
    """Remove the longest unused segments until all together are within the limit, and what killed processes left."""
    abandoned = time.time() - _ABANDONED_SECONDS
    indices = set(root.glob("*/*.npz"))
    segments: list[tuple[float, int, Path]] = []
    for path in root.glob("*/*"):
        try:
            status = path.stat()
            if path.suffix == ".npz":
                data = path.with_suffix(".bin")
                if not data.exists():
                    # The cache was cleared between the two.
                    path.unlink()
                    continue
                size = status.st_size + data.stat().st_size
                segments.append((status.st_mtime, size, path))
            elif path.suffix != ".json" and path.with_suffix(".npz") not in indices and status.st_mtime < abandoned:
                path.unlink()
        except FileNotFoundError:
            continue
    total = sum(size for _, size, _ in segments)
    for _, size, index in sorted(segments):
        if total <= limit_bytes:
            break
        # The index goes first: data without one are nothing.
        index.unlink(missing_ok=True)
        index.with_suffix(".bin").unlink(missing_ok=True)
        total -= size
