"""The vectors nearest to some others by dot product, exactly, a block at a time: nothing grows with both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

# Bytes of the scores that are held at once.
_SCORE_BYTES = 32 << 20
_QUERIES_AT_ONCE = 256
# Rows that are made single precision at once: about what a core's cache holds (docs/decisions/0025).
_ROWS_PER_BLOCK = 2_048
# Below this share of allowed rows, those alone are read.
_FEW = 0.25
# Up to so many queries are multiplied in half precision first: with more, single precision reads the vectors once.
_FEW_QUERIES = 2
# How far a product in half precision may be off for vectors of length 1: query and product are rounded to 11 bits.
_ROUNDING = 1.01 * 2.0**-10
_LARGEST_HALF = 60_000.0


@dataclass(frozen=True)
class Nearest:
    """The nearest vectors of some queries, best first.

    Attributes:
        positions: `(queries, count)` int64, rows of the vectors; -1 where there are fewer than `count`.
        scores: `(queries, count)` float32 dot products; minus infinity where there are fewer.
    """

    positions: np.ndarray
    scores: np.ndarray


def nearest(
    queries: np.ndarray,
    vectors: np.ndarray | Sequence[np.ndarray],
    count: int,
    allowed: np.ndarray | None = None,
    longest: float | None = None,
) -> Nearest:
    """The `count` vectors with the largest dot product with each query; of equal ones, those that come first.

    Args:
        queries: `(queries, width)` floats.
        vectors: `(rows, width)` floats of any precision, or several such arrays whose rows count on from one to the
            next; may be memory maps, of which a block is read at a time. Read fastest from float16 maps opened in mode
            `c`.
        count: How many for each query.
        allowed: `(rows,)` bool, which vectors may be found; all where `None`.
        longest: Length of the longest vector, where it is known: a query over float16 vectors then takes a third of the
            time, with the same result (`_by_halves`).
    """
    parts = [vectors] if isinstance(vectors, np.ndarray) else list(vectors)
    if longest is not None and 0 < len(queries) <= _FEW_QUERIES:
        one_by_one = [_by_halves(query, parts, count, allowed, longest) for query in queries]
    else:
        one_by_one = [None]
    found = [one for one in one_by_one if one is not None]
    if len(found) < len(one_by_one):
        found = [
            _nearest_of_some(queries[start : start + _QUERIES_AT_ONCE], parts, count, allowed)
            for start in range(0, max(1, len(queries)), _QUERIES_AT_ONCE)
        ]
    return Nearest(np.concatenate([one.positions for one in found]), np.concatenate([one.scores for one in found]))


def pairs_above(vectors: np.ndarray, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of rows whose dot product is at least `threshold`, exactly, a block at a time.

    Args:
        vectors: `(rows, width)` floats; may be a memory map.
        threshold: The smallest dot product that counts.

    Yields:
        First rows, second rows (each larger than its first) and dot products of a block's pairs, each `(pairs,)`.
    """
    step = max(1, int((2 * _SCORE_BYTES / 4) ** 0.5))
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


def _by_halves(
    query: np.ndarray, parts: Sequence[np.ndarray], count: int, allowed: np.ndarray | None, longest: float
) -> Nearest | None:
    """The nearest vectors to one query by two passes; `None` where that would not be exact, or not worth it.

    All vectors are multiplied in half precision, which PyTorch reads from memory as it is. What could be among the
    nearest, given how far such a product may be off, is multiplied again in single precision. That no product was
    farther off is seen from these.
    """
    import torch

    rows, reach = sum(map(len, parts)), float(np.linalg.norm(query)) * longest
    usable = all(part.dtype == np.float16 and part.flags.writeable for part in parts) and rows > count
    few = allowed is not None and np.count_nonzero(allowed) < max(count, _FEW * rows)
    if not usable or few or not 0 < reach < _LARGEST_HALF:
        return None
    single = np.array(query, dtype=np.float32)
    half = torch.from_numpy(single).half()
    scores: np.ndarray = torch.cat([torch.mv(torch.from_numpy(part), half) for part in parts]).float().numpy()
    if allowed is not None:
        scores[~allowed] = -np.inf
    error = _ROUNDING * reach
    least = float(torch.topk(torch.from_numpy(scores), count).values[-1]) - 2 * error
    maybe = np.flatnonzero(scores >= least)
    if len(maybe) > max(count, _FEW * rows):
        return None
    exact = _gathered(parts, maybe).astype(np.float32) @ single
    if np.abs(exact - scores[maybe]).max(initial=0) > error:
        return None
    order = np.argsort(-exact, kind="stable")[:count]
    return Nearest(maybe[order][None], exact[order][None])


def _gathered(parts: Sequence[np.ndarray], positions: np.ndarray) -> np.ndarray:
    """The rows at some positions of arrays whose rows count on from one to the next."""
    ends = np.cumsum([0, *map(len, parts)])
    inside = [(positions >= start) & (positions < end) for start, end in pairwise(ends)]
    return np.concatenate([part[positions[one] - start] for part, start, one in zip(parts, ends, inside, strict=False)])


def _nearest_of_some(
    queries: np.ndarray, parts: Sequence[np.ndarray], count: int, allowed: np.ndarray | None
) -> Nearest:
    import torch

    columns = torch.from_numpy(np.array(queries, dtype=np.float32).T.copy())
    best = Nearest(
        np.full((len(queries), count), -1, dtype=np.int64), np.full((len(queries), count), -np.inf, dtype=np.float32)
    )
    rows_at_once = max(1, _SCORE_BYTES // (4 * max(1, len(queries))))
    ends = np.cumsum([0, *map(len, parts)])
    for part, (first, end) in zip(parts, pairwise(ends), strict=True):
        for start in range(0, len(part), rows_at_once):
            span = slice(start, min(start + rows_at_once, len(part)))
            may = None if allowed is None else allowed[first + span.start : first + span.stop]
            rows, scores = _scores(columns, part[span], may)
            if len(rows):
                best = _better(best, first + span.start + rows, scores)
        assert end == first + len(part)
    return best


def _scores(columns: "torch.Tensor", vectors: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some vectors, those that are not allowed left out or at minus infinity; and `(rows, queries)` scores."""
    import torch

    rows = np.arange(len(vectors))
    chosen = allowed is not None and np.count_nonzero(allowed) < _FEW * len(vectors)
    if chosen:
        rows = rows[allowed]
    scores = torch.empty((len(rows), columns.shape[1]))
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = vectors[rows[start : start + _ROWS_PER_BLOCK]] if chosen else vectors[start : start + _ROWS_PER_BLOCK]
        # PyTorch makes single precision of half precision several times as fast as NumPy, and takes no read-only array.
        halves = torch.from_numpy(block if block.flags.writeable else np.array(block))
        torch.mm(halves.float(), columns, out=scores[start : start + len(block)])
    found: np.ndarray = scores.numpy()
    if allowed is not None and not chosen:
        found[~allowed] = -np.inf
    return rows, found


def _better(best: Nearest, rows: np.ndarray, scores: np.ndarray) -> Nearest:
    """The best of those found so far and of some more, `(rows,)` and `(rows, queries)`, which come behind them."""
    count = best.scores.shape[1]
    least = best.scores[:, -1]
    if len(rows) > count:
        least = np.maximum(least, np.partition(scores, len(rows) - count, axis=0)[len(rows) - count])
    # All that reach the last place: of equal ones there may be more than places.
    place, query = np.nonzero((scores >= least) & (scores > -np.inf))
    known = np.nonzero(best.positions >= 0)
    queries = np.concatenate([known[0], query])
    found, reached = (
        np.concatenate([best.positions[known], rows[place]]),
        np.concatenate([best.scores[known], scores[place, query]]),
    )
    order = np.lexsort((found, -reached, queries))
    queries, found, reached = queries[order], found[order], reached[order]
    rank = np.arange(len(queries)) - np.searchsorted(queries, queries)
    kept = rank < count
    positions, best_scores = np.full_like(best.positions, -1), np.full_like(best.scores, -np.inf)
    positions[queries[kept], rank[kept]], best_scores[queries[kept], rank[kept]] = found[kept], reached[kept]
    return Nearest(positions, best_scores)
