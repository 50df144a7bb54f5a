"""The folder on disk for everything that is computed once: where it is, how much it may hold, and its small files.

Arrays computed from texts are kept in stores (`features/store.py`). This module keeps two kinds of single files: frozen
backbones as ONNX graphs, and choices (which vectors a head reads, and the head). Of both, the most recently used stay.
"""

import io
import math
import os
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trifold.atomic import replaced_file
from trifold.errors import SettingsError
from trifold.events import say_once
from trifold.file_lock import is_held
from trifold.hashing import content_address
from trifold.version import installed_versions

_SECONDS = "seconds"
# Suffix of files and folders that are being written. One untouched for this long belongs to no living process.
_PARTIAL, _WRITING_SECONDS = ".partial", 600.0
_GRAPHS, _CHOICES = "graphs", "choices"
# A graph is as large as its model and is written again in seconds; a choice is a head and the vectors it reads.
_MAX_GRAPHS, MAX_CHOICES = 8, 64
# A head for thousands of classes takes tens of megabytes.
_MAX_GRAPHS_BYTES, MAX_CHOICES_BYTES = 10_000_000_000, 1_000_000_000
# Version of the choices' file format, and the libraries that may choose otherwise in another version.
_CHOICES_FORMAT, _CHOOSING = 1, ("numpy", "scipy", "scikit-learn", "torch")
_FOLDERS = ("features", _GRAPHS, _CHOICES, "corpora", "vocabularies", "models")


class CacheEntry(NamedTuple):
    """A file or folder in the cache.

    Attributes:
        path: Where it is.
        used: When it was last used, in seconds since 1970.
        size_bytes: Size on disk.
    """

    path: Path
    used: float
    size_bytes: int


def cache_folder() -> Path:
    """The cache: `TRIFOLD_CACHE` if that is set, else `trifold` in the user's cache folder."""
    named = os.environ.get("TRIFOLD_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trifold"


def least_recently_used(
    entries: Iterable[CacheEntry], *, max_bytes: float = math.inf, max_count: float = math.inf, always_kept: int = 0
) -> list[CacheEntry]:
    """The entries to remove so that the others, all used more recently, are within the limits.

    Args:
        entries: Everything that counts towards the limits, in any order.
        max_bytes: What the kept ones may take together.
        max_count: How many may be kept.
        always_kept: So many of the most recently used are kept even beyond the limits.
    """
    removed = []
    total = 0
    for number, entry in enumerate(sorted(entries, key=lambda entry: (-entry.used, entry.path))):
        total += entry.size_bytes
        if number >= always_kept and (total > max_bytes or number >= max_count):
            removed.append(entry)
    return removed


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, read into memory.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is damaged.
    """
    content = path.read_bytes()
    try:
        return dict(np.load(io.BytesIO(content)))
    except (
        EOFError,
        TypeError,
        AttributeError,
        KeyError,
        MemoryError,
        RuntimeError,
        OSError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(f"{path} is damaged") from error


def clear(root: Path | None = None) -> int:
    """Remove everything except what other processes are writing right now.

    Args:
        root: The cache folder; the user's by default.

    Returns:
        The bytes that were freed.

    Raises:
        SettingsError: If a file cannot be removed.
    """
    size, now = 0, time.time()
    for folder in ((root or cache_folder()) / name for name in _FOLDERS):
        # A held lock protects everything beside it whose name begins like the lock's.
        locked = tuple(str(lock).removesuffix("lock") for lock in folder.rglob("*.lock") if is_held(lock))
        # Deepest first, so that a folder is empty by the time it is reached.
        for path in sorted(folder.rglob("*"), reverse=True):
            try:
                size += _remove(path, folder, locked, now)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SettingsError(f"{path} cannot be removed ({error.strerror}): check its permissions") from None
    return size


def _remove(path: Path, folder: Path, locked: tuple[str, ...], now: float) -> int:
    """Remove a file or an empty folder unless it is being written; returns the bytes that were freed."""
    state = path.lstat()
    fresh = now - state.st_mtime < _WRITING_SECONDS
    if stat.S_ISDIR(state.st_mode):
        # Another process may be about to write into a fresh empty folder.
        if not fresh:
            with suppress(OSError):
                path.rmdir()
        return 0
    if str(path).startswith(locked) or (fresh and _PARTIAL in str(path.relative_to(folder))):
        return 0
    path.unlink()
    return state.st_size


def graphs_folder() -> Path:
    """The folder of backbones that were written as graphs for ONNX Runtime."""
    return cache_folder() / _GRAPHS


def list_graphs() -> list[Path]:
    """The files of all graphs, the most recently used first."""
    return [entry.path for entry in _entries(graphs_folder(), ".onnx")]


def list_choices() -> list[Path]:
    """The files of all remembered choices, the most recently used first."""
    return [entry.path for entry in _entries(cache_folder() / _CHOICES, ".npz")]


@contextmanager
def graph_aside(path: Path) -> Iterator[Path]:
    """A temporary file to write a graph to; without an error it becomes `path`, and old graphs are removed.

    Raises:
        SettingsError: If it cannot be written.
    """
    try:
        with _aside(path, _MAX_GRAPHS, _MAX_GRAPHS_BYTES) as aside:
            yield aside
    except OSError as error:
        raise SettingsError(
            f"{path.parent} cannot be written to ({error.strerror}): name another folder in TRIFOLD_CACHE"
        ) from None


@contextmanager
def _aside(path: Path, max_count: int, max_bytes: int) -> Iterator[Path]:
    """A temporary file; without an error it becomes `path`, and the least recently used files are removed.

    Args:
        path: The file to write.
        max_count: How many files with its suffix may stay.
        max_bytes: What they may take together; the file that was just written stays in any case.

    Raises:
        OSError: If it cannot be written.
    """
    with replaced_file(path) as aside:
        yield aside
    kept = _entries(path.parent, path.suffix)
    for old in least_recently_used(kept, max_count=max_count, max_bytes=max_bytes, always_kept=1):
        old.path.unlink(missing_ok=True)


def _entries(folder: Path, suffix: str) -> list[CacheEntry]:
    """The files of a folder that end in `suffix`, the most recently used first."""
    found = []
    for path in folder.glob(f"*{suffix}"):
        # Another process may remove the file at any moment.
        with suppress(FileNotFoundError):
            state = path.stat()
            found.append(CacheEntry(path, state.st_mtime, state.st_size))
    return sorted(found, key=lambda entry: (-entry.used, entry.path))


def remembered(
    about: dict[str, object], compute: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], float]:
    """A small result from the cache, computed and kept if it is not there.

    Args:
        about: Everything that determines the result apart from the libraries' versions, as values that JSON can hold;
            Trifold's version is part of it.
        compute: Computes the result.

    Returns:
        The result, and the seconds that computing it once took if it came from the cache.
    """
    address = content_address({**about, "format": _CHOICES_FORMAT, **installed_versions(*_CHOOSING)})
    path = cache_folder() / _CHOICES / f"{address}.npz"
    try:
        kept = read_npz(path)
        os.utime(path)
        return kept, float(kept.pop(_SECONDS))
    except (OSError, ValueError, KeyError):
        # Missing or damaged.
        pass
    begun = time.perf_counter()
    found = compute()
    try:
        with _aside(path, MAX_CHOICES, MAX_CHOICES_BYTES) as aside, aside.open("wb") as file:
            seconds: Any = np.float64(time.perf_counter() - begun)
            np.savez(file, allow_pickle=False, **{**found, _SECONDS: seconds})
    except OSError as error:
        cannot_keep(error)
    return found, 0.0


def has_room(needed_bytes: int, limit_bytes: int) -> bool:
    """Whether so much more may be kept on disk: at most the limit, and half of what is free. If not, the user is told.

    Args:
        needed_bytes: What is to be written.
        limit_bytes: What the cache may take (`--cache-gigabytes`).
    """
    folder = cache_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed_bytes <= min(limit_bytes, free // 2):
        return True
    say_once(
        f"note: {needed_bytes / 1e9:,.1f} GB are not kept in the cache, which may take {limit_bytes / 1e9:,.1f} GB "
        f"(--cache-gigabytes) and half of the {free / 1e9:,.1f} GB that are free on its disk"
    )
    return False


def cannot_keep(error: OSError) -> None:
    """Tell the user that the cache cannot be written; the command goes on without it."""
    say_once(f"note: the cache in {cache_folder()} cannot be written ({error.strerror or error}); going on without it")
