"""Arrays from a store; those it lacks are computed, and written to it by a thread while the caller goes on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from trifold.cache_folder import cannot_keep
from trifold.features.store import Store
from trifold.runtime import memory_bytes

# Share of the machine's memory that arrays may take while they wait to be written.
_WAITING_SHARE = 0.125


class Segment(NamedTuple):
    """Arrays that were computed together.

    Attributes:
        numbers: Positions of the texts that they belong to.
        arrays: `(rows, width)` each.
        seconds: Time that computing all of them took.
    """

    numbers: list[int]
    arrays: list[np.ndarray]
    seconds: float


@contextmanager
def kept_or_computed(
    store: Store | None,
    digests: Sequence[bytes],
    compute: Callable[[list[int]], Iterator[Segment]],
    *,
    keep: bool = True,
) -> Iterator[tuple[list[np.ndarray], float]]:
    """Arrays from a store; those that it lacks are computed and then written to it.

    A thread writes while the next segment is computed and while the caller works inside the `with` block; leaving the
    block waits for the thread. Once an array is written, its entry in the list becomes a view of the file, which the
    system may drop from memory.

    Args:
        store: Where arrays are kept; `None` for nowhere.
        digests: One for each text.
        compute: Called with the positions of the texts that the store lacks, possibly none; yields their segments.
        keep: Whether computed arrays are written to the store.

    Yields:
        An array for each digest, and the seconds that computing those from the store once took.
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
    """Writes segments to a store, one after the other, in a thread; leaving its `with` block waits for the thread.

    Args:
        store: Where to write; `None` writes nothing.
        digests: One for each text.
        arrays: One for each text; entries that are written become views of the file.
    """

    def __init__(self, store: Store | None, digests: Sequence[bytes], arrays: list[np.ndarray]) -> None:
        self._store, self._digests, self._arrays = store, digests, arrays
        self._thread = ThreadPoolExecutor(1, "cache")
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._max_waiting_bytes = int(_WAITING_SHARE * memory_bytes())

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._wait_until_at_most(0)

    def take(self, segments: Iterator[Segment]) -> None:
        """Put the arrays of all segments into the list and have them written; wait if too many are unwritten."""
        for segment in segments:
            for number, array in zip(segment.numbers, segment.arrays, strict=True):
                self._arrays[number] = array
            size = sum(array.nbytes for array in segment.arrays)
            self._wait_until_at_most(self._max_waiting_bytes - size)
            self._waiting.append((size, self._thread.submit(self._write, segment)))

    def _wait_until_at_most(self, unwritten_bytes: int) -> None:
        while self._waiting and sum(size for size, _ in self._waiting) > unwritten_bytes:
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
