"""Which documents an index holds already, by a digest of their texts."""

import numpy as np


class KnownDocuments:
    """Documents of a generation, each of which may be claimed once by a document of the same text.

    Args:
        digests: `(documents, 16)` uint8.
    """

    def __init__(self, digests: np.ndarray) -> None:
        # Sorted by half a digest: a dictionary would take ten times the memory.
        keys = np.ascontiguousarray(digests[:, :8]).view("<u8").reshape(-1)
        self._order = np.argsort(keys, kind="stable")
        self._keys, self._digests = keys[self._order], digests[self._order]
        self._claimed = np.zeros(len(digests), dtype=bool)
        # Of texts that stand in many documents, from where on the next free one is looked for.
        self._next: dict[int, int] = {}

    def claim(self, digest: bytes) -> int | None:
        """The first document of this text that nobody claimed; `None` if there is none."""
        key = int.from_bytes(digest[:8], "little")
        place = self._next.get(key)
        if place is None:
            place = int(np.searchsorted(self._keys, np.uint64(key)))
        while place < len(self._keys) and self._keys[place] == key:
            if not self._claimed[place] and self._digests[place].tobytes() == digest:
                self._claimed[place] = True
                self._next[key] = place + 1
                return int(self._order[place])
            place += 1
        return None
