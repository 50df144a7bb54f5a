"""What all stores together take on disk: list them, and remove what was not used for longest."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from trifold.cache_folder import CacheEntry, cache_folder, least_recently_used
from trifold.errors import ArtifactError
from trifold.features.segment_index import read_index
from trifold.schema import read_facts

# A file that a killed process left unfinished is removed once no living process can still be writing it.
_ABANDONED_SECONDS = 6 * 3_600.0


@dataclass(frozen=True)
class StoredKind:
    """One store, for listing.

    Attributes:
        folder: The store's folder.
        described: The settings that its arrays were computed with.
        texts: Texts in it.
        size_bytes: Size on disk.
        used: When it was last read or written, in seconds since 1970.
    """

    folder: Path
    described: dict[str, object]
    texts: int
    size_bytes: int
    used: float


class _Kind(TypedDict, total=False):
    what: str
    backbone: str
    precision: str
    layer: int


def list_stores(root: Path | None = None) -> list[StoredKind]:
    """All stores, the most recently used first.

    Args:
        root: The cache folder; the user's by default.
    """
    found = []
    for folder in sorted(((root or cache_folder()) / "features").glob("*/")):
        try:
            facts = read_facts(folder / "kind.json", _Kind)
            described = {**facts, "what": facts["what"]}
        except ArtifactError:
            described = {"what": "damaged, to be cleared", "backbone": "unknown"}
        states, texts = [], 0
        for path in folder.iterdir():
            # Another process may remove the file at any moment.
            with suppress(FileNotFoundError):
                states.append((path.suffix, path.stat()))
                texts += _count_texts(path) if path.suffix == ".npz" else 0
        if not states:
            continue
        used = max((state.st_mtime for suffix, state in states if suffix == ".npz"), default=0.0)
        found.append(StoredKind(folder, described, texts, sum(state.st_size for _, state in states), used))
    return sorted(found, key=lambda store: -store.used)


def shrink(limit_bytes: int, root: Path) -> None:
    """Remove the least recently used segments until all together take at most `limit_bytes`.

    Unfinished files of killed processes and stores that hold nothing any more are removed as well.

    Args:
        limit_bytes: What all segments may take.
        root: The folder that holds the stores.
    """
    abandoned = time.time() - _ABANDONED_SECONDS
    segments: list[CacheEntry] = []
    for folder in root.glob("*/"):
        found = _segments_in(folder, abandoned)
        segments += found
        if not found:
            _remove_empty(folder, abandoned)
    for segment in least_recently_used(segments, max_bytes=limit_bytes):
        # The index goes first: a data file without an index is never read.
        segment.path.unlink(missing_ok=True)
        segment.path.with_suffix(".bin").unlink(missing_ok=True)


def _segments_in(folder: Path, abandoned: float) -> list[CacheEntry]:
    """The complete segments of a store; files that belong to none and are older than `abandoned` are removed."""
    indices = set(folder.glob("*.npz"))
    found = []
    for path in folder.glob("*"):
        try:
            status = path.stat()
            if path.suffix == ".npz":
                data = path.with_suffix(".bin")
                if data.exists():
                    found.append(CacheEntry(path, status.st_mtime, status.st_size + data.stat().st_size))
                else:
                    # Someone cleared the cache after the data was written and before the index was.
                    path.unlink()
            elif path.suffix != ".json" and path.with_suffix(".npz") not in indices and status.st_mtime < abandoned:
                path.unlink()
        except FileNotFoundError:
            continue
    return found


def _remove_empty(folder: Path, abandoned: float) -> None:
    """Remove a store that has held no segment for long; another process may be about to write into a newer one."""
    kind = folder / "kind.json"
    with suppress(OSError):
        if kind.stat().st_mtime < abandoned and all(path == kind for path in folder.iterdir()):
            kind.unlink()
            folder.rmdir()


def _count_texts(index: Path) -> int:
    try:
        return len(read_index(index).digests)
    except (OSError, ValueError):
        return 0
