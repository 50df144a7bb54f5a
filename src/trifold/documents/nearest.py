"""The vectors nearest to others by dot product, exactly, a block at a time: nothing grows with the product of both."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Bytes of the scores of one block, and rows of stored vectors that are read at once.
_SCORE_BYTES = 64 << 20
_ROWS_PER_BLOCK = 16_384


@dataclass(frozen=True)
class Nearest:
    """The nearest vectors of some queries, best first.

    Attributes:
        positions: `(queries, count)` int64, rows of the vectors; -1 where there are fewer than `count`.
        scores: `(queries, count)` float32 dot products; minus infinity where there are fewer.
    """

    positions: np.ndarray
    scores: np.ndarray


def nearest(queries: np.ndarray, vectors: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Nearest:
    """The `count` vectors with the largest dot product with each query; of equal ones, those that come first.

    Args:
        queries: `(queries, width)` floats.
        vectors: `(rows, width)` floats of any precision; may be a memory map, of which a block is read at a time.
        count: How many for each query.
        allowed: `(rows,)` bool, which vectors may be found; all where `None`.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    best = np.full((len(queries), count), -np.inf, dtype=np.float32)
    where = np.full((len(queries), count), -1, dtype=np.int64)
    for start in range(0, len(vectors), _ROWS_PER_BLOCK):
        rows = np.arange(start, min(start + _ROWS_PER_BLOCK, len(vectors)))
        if allowed is not None:
            rows = rows[allowed[rows]]
        if not len(rows):
            continue
        whole = len(rows) == min(_ROWS_PER_BLOCK, len(vectors) - start)
        block = np.asarray(vectors[start : start + len(rows)] if whole else vectors[rows], dtype=np.float32)
        for part in _parts(len(queries), len(rows)):
            scores = queries[part] @ block.T
            best[part], where[part] = _merge(best[part], where[part], scores, rows, count)
    return Nearest(where, best)


def pairs_above(vectors: np.ndarray, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of rows whose dot product is at least `threshold`, exactly, a block at a time.

    Args:
        vectors: `(rows, width)` floats; may be a memory map.
        threshold: The smallest dot product that counts.

    Yields:
        First rows, second rows (each larger than its first) and dot products of a block's pairs, each `(pairs,)`.
    """
    step = max(1, int((_SCORE_BYTES / 4) ** 0.5))
    for start in range(0, len(vectors), step):
        left = np.asarray(vectors[start : start + step], dtype=np.float32)
        for other in range(start, len(vectors), step):
            right = left if other == start else np.asarray(vectors[other : other + step], dtype=np.float32)
            scores = left @ right.T
            first, second = np.nonzero(scores >= threshold)
            if other == start:
                first, second = first[second > first], second[second > first]
            if len(first):
                yield start + first, other + second, scores[first, second]


def _parts(queries: int, rows: int) -> Iterator[slice]:
    """Slices of the queries whose scores of a block take little memory."""
    step = max(1, _SCORE_BYTES // (4 * rows))
    for start in range(0, queries, step):
        yield slice(start, start + step)


def _merge(
    best: np.ndarray, where: np.ndarray, scores: np.ndarray, rows: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best of those found so far and of a block: scores and positions, best first."""
    if scores.shape[1] > count:
        # The largest of each query, in the order of their rows, so that equal scores stay in that order.
        kept = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
        scores, found = np.take_along_axis(scores, kept, axis=1), rows[kept]
    else:
        found = np.broadcast_to(rows, scores.shape)
    scores, found = np.concatenate([best, scores], axis=1), np.concatenate([where, found], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(found, order, axis=1)
