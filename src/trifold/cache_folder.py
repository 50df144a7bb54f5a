"""Where everything lies that is computed once and kept on disk, and the small things kept there, a file each.

What is computed of texts is kept in stores (`store.py`); here are frozen backbones as graphs, and what was chosen on
what they computed. Of both, those that were used last stay.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from trifold.atomic import replaced_file
from trifold.errors import SettingsError
from trifold.events import say_once
from trifold.file_lock import is_held

_SECONDS = "seconds"
# How files and folders end that are not whole yet; what was not touched for so long, nobody writes any more.
_PARTIAL, _WRITING_SECONDS = ".partial", 600.0
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


def clear(root: Path | None = None) -> int:
    """Remove everything but what other processes are writing this moment; returns the bytes that were freed.

    Raises:
        SettingsError: If it cannot be removed.
    """
    size, now = 0, time.time()
    for folder in ((root or cache_folder()) / name for name in _KEPT):
        # The lock of what is being written, and all that lies beside it under the same name.
        at_work = tuple(str(lock).removesuffix("lock") for lock in folder.rglob("*.lock") if is_held(lock))
        # Deepest first, so that folders are empty when their turn comes.
        for path in sorted(folder.rglob("*"), reverse=True):
            try:
                state = path.lstat()
                fresh = now - state.st_mtime < _WRITING_SECONDS
                if stat.S_ISDIR(state.st_mode):
                    # An empty one may be about to be written into.
                    if not fresh:
                        with suppress(OSError):
                            path.rmdir()
                    continue
                if str(path).startswith(at_work):
                    continue
                if fresh and _PARTIAL in str(path.relative_to(folder)):
                    continue
                path.unlink()
                size += state.st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SettingsError(f"{path} cannot be removed ({error.strerror}): check its permissions") from None
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
    with replaced_file(path) as aside:
        yield aside
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
        cannot_keep(error)
    return found, 0.0


def has_room(needed: int, limit_bytes: int) -> bool:
    """Whether so many bytes may be kept on disk: within the limit and half of what is free; else it is said why not."""
    folder = cache_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed <= min(limit_bytes, free // 2):
        return True
    say_once(
        f"note: {needed / 1e9:,.1f} GB are not kept in the cache, which may take {limit_bytes / 1e9:,.1f} GB "
        f"(--cache-gigabytes) and half of the {free / 1e9:,.1f} GB that are free on its disk"
    )
    return False


def cannot_keep(error: OSError) -> None:
    """Say that the cache cannot be written; work goes on without it."""
    say_once(f"note: the cache in {cache_folder()} cannot be written ({error.strerror or error}); going on without it")
