"""Approximate search by faiss: cells of vectors, of which a few are searched; what is found there is scored exactly.

The vectors are kept once more in 8 bits a number, in cells around centroids (an inverted file). A query is compared
with the vectors of its nearest cells, and the best of those again in half precision, from the segments. How many cells
are searched is found out on passages of the index itself: as few as give a recall of 0.97. What recall that gives is
measured on other passages.

Source:
    Jégou, Douze and Schmid 2011, "Product Quantization for Nearest Neighbor Search", for the inverted file; faiss
    (Douze et al. 2024, arXiv:2401.08281).
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from trifold.atomic import sync
from trifold.documents.nearest import Nearest, nearest
from trifold.documents.search.records import ApproximateRecord, damaged
from trifold.documents.search.segments import Segments
from trifold.errors import first_line

# Queries lie further from passages than passages from each other: with 0.95 here, other sentences as queries had 0.945.
WANTED_RECALL = 0.97
NEEDS_FAISS = "approximate search needs the extra search: pip install 'trifold[search]'"
_RECALL_AT, _QUERIES = 10, 200
# Vectors that are scored again for each that is wanted, and at least.
_AGAIN, _LEAST_AGAIN = 4, 64
_ROWS_PER_BLOCK = 16_384
# Vectors by which a centroid is found. Source: faiss, "Guidelines to choose an index", 30 to 256.
_TRAINING_ROWS_PER_CELL = 64
_SEED = 42
# Scores that differ by less are those of equal vectors.
_SAME_SCORE = 1e-6


def has_faiss() -> bool:
    """Whether faiss is installed; it is not imported for that."""
    return find_spec("faiss") is not None


def _faiss() -> Any:
    """The library, imported where it is needed: it may be missing, and must not meet usearch in one process."""
    import faiss

    return faiss


class ApproximateIndex:
    """An inverted file over the vectors of some segments.

    Args:
        inverted: Of faiss; ids are positions of passages.
        segments: The passages, whose vectors score again.
        probes: Cells that are searched.
    """

    def __init__(self, inverted: Any, segments: Segments, probes: int) -> None:
        self._inverted, self._segments, self.probes = inverted, segments, probes

    @classmethod
    def train(cls, segments: Segments, alive: np.ndarray) -> "ApproximateIndex":
        """An index over all vectors.

        Args:
            segments: The passages.
            alive: `(positions,)` bool, by which passages the cells are found.
        """
        width, rows = segments.width, int(alive.sum())
        cells = max(1, min(int(4 * rows**0.5), rows // 39 or 1))
        inverted = _faiss().index_factory(width, f"IVF{cells},SQ8", _faiss().METRIC_INNER_PRODUCT)
        inverted.cp.seed = _SEED
        found = cls(inverted, segments, 1)
        sample = np.flatnonzero(alive)
        if rows > _TRAINING_ROWS_PER_CELL * cells:
            sample = np.sort(
                np.random.default_rng(_SEED).choice(sample, _TRAINING_ROWS_PER_CELL * cells, replace=False)
            )
        inverted.train(segments.gather(sample).astype(np.float32))
        found.extend()
        return found

    @classmethod
    def read(cls, path: Path, segments: Segments, record: ApproximateRecord) -> "ApproximateIndex":
        """The index that `write` wrote; it may lack vectors that came later (`extend`).

        Raises:
            ArtifactError: If it cannot be read, or is no such index.
        """
        try:
            inverted = _faiss().read_index(str(path))
        except RuntimeError as error:
            raise damaged(path, first_line(error)) from None
        if not isinstance(inverted, _faiss().IndexIVFScalarQuantizer) or inverted.d != segments.width:
            raise damaged(path, f"it is no inverted file over {segments.width} numbers")
        return cls(inverted, segments, record.probes)

    def write(self, path: Path) -> None:
        """Write the index."""
        _faiss().write_index(self._inverted, str(path))
        sync(path)

    def __len__(self) -> int:
        return int(self._inverted.ntotal)

    def extend(self) -> None:
        """Add the vectors that it lacks, which are those of the last positions."""
        for start in range(len(self), len(self._segments), _ROWS_PER_BLOCK):
            end = min(start + _ROWS_PER_BLOCK, len(self._segments))
            self._inverted.add(self._segments.gather(np.arange(start, end)).astype(np.float32))

    def search(self, queries: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Nearest:
        """The nearest vectors; where the searched cells hold too few of those that may be found, by an exact scan.

        Args:
            queries: `(queries, width)` floats.
            count: How many for each.
            allowed: `(positions,)` bool, which may be found; all where `None`.
        """
        found = self._in_cells(queries, count, allowed)
        there = len(self) if allowed is None else int(np.count_nonzero(allowed))
        short = np.flatnonzero((found.positions >= 0).sum(axis=1) < min(count, there))
        if len(short):
            exact = nearest(queries[short], self._segments.vectors, count, allowed, self._segments.longest)
            found.positions[short], found.scores[short] = exact.positions, exact.scores
        return found

    def _in_cells(self, queries: np.ndarray, count: int, allowed: np.ndarray | None) -> Nearest:
        """The nearest vectors as far as the searched cells hold them."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        selector = None if bits is None else _faiss().IDSelectorBitmap(bits)
        search = _faiss().SearchParametersIVF(sel=selector, nprobe=self.probes)
        wanted = min(len(self), max(_LEAST_AGAIN, _AGAIN * count))
        _, candidates = self._inverted.search(queries, wanted, params=search)
        positions = np.full((len(queries), count), -1, dtype=np.int64)
        scores = np.full((len(queries), count), -np.inf, dtype=np.float32)
        for number, row in enumerate(candidates):
            found = np.sort(row[row >= 0])
            exact = self._segments.gather(found).astype(np.float32) @ queries[number]
            order = np.argsort(-exact, kind="stable")[:count]
            positions[number, : len(order)], scores[number, : len(order)] = found[order], exact[order]
        return Nearest(positions, scores)

    def tune(self, alive: np.ndarray) -> ApproximateRecord:
        """Find how many cells to search: the fewest, doubled from 1 and then halved in, that give the wanted recall.

        The queries are 200 passages drawn at random, each left out of its own answers. The recall that is recorded is
        that of 200 others: of those that chose, it would be too good.
        """
        of = np.flatnonzero(alive)
        drawn = np.random.default_rng(_SEED).choice(of, min(2 * _QUERIES, len(of)), replace=False)
        choosing, others = (self._recall_of(np.sort(half), alive) for half in (drawn[::2], drawn[1::2]))
        cells = int(self._inverted.nlist)
        low, high = 0, 1
        while choosing(high) < WANTED_RECALL and high < cells:
            low, high = high, min(2 * high, cells)
        while high - low > max(1, high // 16):
            middle = (low + high) // 2
            if choosing(middle) >= WANTED_RECALL:
                high = middle
            else:
                low = middle
        reached = round(others(high), 4)
        return ApproximateRecord(f"IVF{cells},SQ8", high, reached, len(drawn) // 2)

    def _recall_of(self, passages: np.ndarray, alive: np.ndarray) -> Callable[[int], float]:
        """A function that sets how many cells are searched, and tells the recall for some passages as queries."""
        queries = self._segments.gather(passages).astype(np.float32)
        exact = nearest(queries, self._segments.vectors, _RECALL_AT + 1, alive)

        def recall(probes: int) -> float:
            self.probes = probes
            return _recall(self._in_cells(queries, _RECALL_AT + 1, alive), exact, passages)

        return recall


def _recall(found: Nearest, exact: Nearest, queries: np.ndarray) -> float:
    """Mean share of the ten nearest passages, the query itself left out, that were found.

    A passage that is as near as the tenth counts as one of them: which of several equal ones is told is chance.
    """
    near, true = _without(found, queries), _without(exact, queries)
    wanted = np.isfinite(true).sum(1)
    least = np.where(wanted, np.take_along_axis(true, np.maximum(wanted - 1, 0)[:, None], axis=1)[:, 0], np.inf)
    hits = np.minimum((near >= least[:, None] - _SAME_SCORE).sum(1), wanted)
    return float(np.mean(hits[wanted > 0] / wanted[wanted > 0])) if wanted.any() else 1.0


def _without(found: Nearest, queries: np.ndarray) -> np.ndarray:
    """The scores, best first, of ten passages other than the query itself, `(queries, 10)`."""
    scores = np.where(found.positions == queries[:, None], -np.inf, found.scores)
    return -np.sort(-scores, axis=1)[:, :_RECALL_AT]
