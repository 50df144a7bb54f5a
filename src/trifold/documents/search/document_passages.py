"""Which passages each document of an index has: they lie side by side, those of one document after those of another."""

import numpy as np


class DocumentPassages:
    """Runs of passages.

    Args:
        owners: `(positions,)` ints, the document of each passage; -1 for one that no document has any more.

    Attributes:
        documents: `(documents,)`, the document of each run, in the order of positions.
    """

    def __init__(self, owners: np.ndarray) -> None:
        self._positions = np.flatnonzero(owners >= 0)
        owned = owners[self._positions]
        starts = np.flatnonzero(np.diff(owned, prepend=-1))
        self.documents: np.ndarray = owned[starts]
        self._bounds = np.append(starts, len(owned))
        self._run = np.empty(len(self.documents), dtype=np.int64)
        self._run[self.documents] = np.arange(len(self.documents))

    def of(self, document: int) -> np.ndarray:
        """Positions of a document's passages, rising."""
        run = self._run[document]
        return self._positions[self._bounds[run] : self._bounds[run + 1]]
