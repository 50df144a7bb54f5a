"""What a frozen backbone computed of a text, kept on disk: methods, heads, epochs and runs need it once.

Entries are addressed by what determines them: the weights, what was taken of them (a `kind`), the precision, and the
text's tokens; the tokenizer, the maximum length and the rule for long texts have their say through the tokens, which
are kept themselves, by the text. A store is a folder of segments, each an array and an index. The index is renamed
into place last, so a process that is killed leaves nothing that could be mistaken for a segment.
"""

import hashlib
import io
import json
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trifold.errors import SettingsError
from trifold.progress import say

_DIGEST_BYTES = 16
_SECONDS = "seconds"
# What a killed process left behind is cleared away once no living one can still be writing it.
_ABANDONED_SECONDS = 6 * 3_600.0
HALF_LIMIT = 65_504.0
_GRAPHS, _CHOICES = "graphs", "choices"
# A graph is as large as its model, and is written again in seconds; a choice is a head and which vectors it reads.
_MOST_GRAPHS, _MOST_CHOICES = 8, 64
# What frozen backbones computed, themselves as graphs, what was chosen on that, tokenised text, and tokenizers for it.
_KEPT = ("features", _GRAPHS, _CHOICES, "corpora", "vocabularies")


def cache_folder() -> Path:
    """Where all stores lie: `TRIFOLD_CACHE`, or `trifold` in the user's cache folder."""
    named = os.environ.get("TRIFOLD_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trifold"


def half(values: np.ndarray) -> np.ndarray:
    """Values as they are kept: half precision, its range clipped rather than overflown."""
    result: np.ndarray = np.clip(values, -HALF_LIMIT, HALF_LIMIT).astype(np.float16)
    return result


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
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "kind.json").write_text(json.dumps(self._kind, indent=1, sort_keys=True) + "\n")
        name = uuid.uuid4().hex
        data, index = self._folder / f"{name}.bin", self._folder / f"{name}.npz"
        aside = index.with_suffix(".partial")
        with data.open("wb") as file:
            for array in arrays:
                file.write(array.tobytes())
            file.flush()
            os.fsync(file.fileno())
        with aside.open("wb") as file:
            np.savez(
                file,
                digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST_BYTES),
                offsets=np.cumsum([0, *(len(array) for array in arrays)]),
                seconds=np.float64(seconds),
            )
            file.flush()
            os.fsync(file.fileno())
        aside.rename(index)
        self._open(index)
        shrink(self._limit, self._root)

    def _open(self, index: Path) -> None:
        try:
            digests, offsets, seconds = _read_index(index)
            data = np.memmap(index.with_suffix(".bin"), dtype=self._dtype, mode="r").reshape(-1, self._width)
            if len(data) != offsets[-1]:
                raise ValueError
            os.utime(index)
        except (OSError, ValueError):
            # Damaged, or cleared by another process this moment: then it is computed again.
            return
        for number, digest in enumerate(digests):
            key = digest.tobytes()
            self._places[key] = (data, int(offsets[number]), int(offsets[number + 1]))
            self._seconds[key] = seconds / len(digests)


def kept_or_computed(
    store: Store | None,
    digests: Sequence[bytes],
    compute: Callable[[list[int]], Iterator[Segment]],
) -> tuple[list[np.ndarray], float]:
    """Arrays from a store and, where it lacks them, computed and then kept.

    Args:
        store: Where they are kept; `None` keeps nothing.
        digests: What they stand under.
        compute: Those whose numbers it is given, which may be none, a segment after the other.

    Returns:
        An array for each digest, and the seconds that those from the store once took.
    """
    known = [number for number, digest in enumerate(digests) if store is not None and digest in store]
    arrays = {number: store.read(digests[number]) for number in known} if store else {}
    cached_seconds = store.seconds([digests[number] for number in known]) if store else 0.0
    for part, found, seconds in compute(sorted(set(range(len(digests))) - set(known))):
        arrays.update(zip(part, found, strict=True))
        if store is not None and part:
            try:
                store.write([digests[number] for number in part], found, seconds)
            except OSError as error:
                _cannot_keep(error)
                store = None
            else:
                # From now on the file's pages serve, which the system may drop where memory is short.
                arrays.update({number: store.read(digests[number]) for number in part if digests[number] in store})
    return [arrays[number] for number in range(len(digests))], cached_seconds


def _read_index(index: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """A segment's digests, offsets and seconds.

    Raises:
        OSError: If it is not there.
        ValueError: If it is damaged.
    """
    try:
        found = np.load(io.BytesIO(index.read_bytes()))
        return found["digests"], found["offsets"], float(found["seconds"])
    except (KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{index} is damaged") from error


def list_stores(root: Path | None = None) -> list[StoredKind]:
    """All stores, the latest used first."""
    found = []
    for folder in sorted(((root or cache_folder()) / "features").glob("*/")):
        try:
            described = json.loads((folder / "kind.json").read_text())
        except (OSError, ValueError):
            continue
        indices = list(folder.glob("*.npz"))
        texts = sum(_texts_in(index) for index in indices)
        used = max((index.stat().st_mtime for index in indices), default=0.0)
        found.append(StoredKind(folder, described, texts, sum(file.stat().st_size for file in folder.iterdir()), used))
    return sorted(found, key=lambda store: -store.used)


def _texts_in(index: Path) -> int:
    try:
        return len(_read_index(index)[0])
    except (OSError, ValueError):
        return 0


def clear(root: Path | None = None) -> int:
    """Remove everything; returns the bytes that were freed.

    Raises:
        SettingsError: If it cannot be removed.
    """
    size = 0
    for folder in ((root or cache_folder()) / name for name in _KEPT):
        size += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise SettingsError(f"{folder} cannot be removed ({error.strerror}): check its permissions") from None
    return size


def graphs_folder() -> Path:
    """Where backbones lie that were written as graphs for ONNX Runtime."""
    return cache_folder() / _GRAPHS


def list_graphs() -> list[Path]:
    """The files of all such graphs, the latest used first."""
    return _latest_used(graphs_folder(), ".onnx")


def list_choices() -> list[Path]:
    """The files of all choices that are remembered, the latest used first."""
    return _latest_used(cache_folder() / _CHOICES, ".npz")


@contextmanager
def graph_aside(path: Path) -> Iterator[Path]:
    """A file to write a graph into; it becomes `path` if nothing fails, and the graphs unused longest go.

    Raises:
        SettingsError: If it cannot be written.
    """
    try:
        with _aside(path, _MOST_GRAPHS) as aside:
            yield aside
    except OSError as error:
        raise SettingsError(
            f"{path.parent} cannot be written to ({error.strerror}): name another folder in TRIFOLD_CACHE"
        ) from None


@contextmanager
def _aside(path: Path, most: int) -> Iterator[Path]:
    """A file to write; it becomes `path` if nothing fails, and of its kind beside it so many stay, the latest used.

    Raises:
        OSError: If it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
    for old in _latest_used(path.parent, path.suffix)[most:]:
        old.unlink(missing_ok=True)


def _latest_used(folder: Path, suffix: str) -> list[Path]:
    found = []
    for path in folder.glob(f"*{suffix}"):
        # Another process may drop it this moment.
        with suppress(FileNotFoundError):
            found.append((-path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def remembered(
    about: dict[str, object], compute: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], float]:
    """What was once computed from the same, small as it is.

    Args:
        about: In plain values; it must determine the result, this version of Trifold included.
        compute: The result, where it is not kept.

    Returns:
        The result, and the seconds that computing it once took where it was kept.
    """
    address = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / _CHOICES / f"{address}.npz"
    try:
        kept = dict(np.load(io.BytesIO(path.read_bytes())))
        os.utime(path)
        return kept, float(kept.pop(_SECONDS))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        # Not there, or damaged.
        pass
    begun = time.perf_counter()
    found = compute()
    try:
        with _aside(path, _MOST_CHOICES) as aside, aside.open("wb") as file:
            seconds: Any = np.float64(time.perf_counter() - begun)
            np.savez(file, allow_pickle=False, **{**found, _SECONDS: seconds})
    except OSError as error:
        _cannot_keep(error)
    return found, 0.0


def shrink(limit_bytes: int, root: Path) -> None:
    """Remove the longest unused segments until all together are within the limit, and what killed processes left."""
    abandoned = time.time() - _ABANDONED_SECONDS
    indices = set(root.glob("*/*.npz"))
    segments: list[tuple[float, int, Path]] = []
    for path in root.glob("*/*"):
        try:
            status = path.stat()
            if path.suffix == ".npz":
                size = status.st_size + path.with_suffix(".bin").stat().st_size
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


def _cannot_keep(error: OSError) -> None:
    """Say that the cache cannot be written; work goes on without it."""
    _say_once(f"note: the cache in {cache_folder()} cannot be written ({error.strerror or error}); going on without it")


@cache
def _say_once(message: str) -> None:
    """Tokens, vectors and choices all meet the same."""
    say(message)
