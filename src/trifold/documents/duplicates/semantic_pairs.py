"""Pairs of vectors with a large cosine, and for some vectors the nearest of others.

Up to some hundred thousand vectors all pairs are computed, a block at a time. Beyond that each vector is compared with
those that share one of its nearest centres: so large a cosine rarely has its two vectors near no common centre.
"""

from collections.abc import Iterator

import numpy as np

from trifold.documents.nearest import nearest, pairs_above

# Up to here all pairs take a minute or so on two cores.
_MOST_EXACT = 150_000
# Vectors a centre, centres that each vector belongs to, and rounds of k-means that place them.
_PER_CENTRE, _CENTRES_EACH, _ROUNDS = 2_000, 3, 5


def semantic_pairs(
    vectors: np.ndarray, threshold: float, most_exact: int = _MOST_EXACT
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of vectors whose cosine reaches a threshold; a pair may come more than once.

    Args:
        vectors: `(rows, width)` float32 of length 1.
        threshold: The smallest cosine that counts.
        most_exact: Up to so many vectors every pair is looked at.

    Yields:
        First rows, second rows and cosines, each `(pairs,)`; of no more pairs at once than a block has.
    """
    if len(vectors) <= most_exact:
        yield from pairs_above(vectors, threshold)
        return
    for members in _cells(vectors):
        for left, right, cosines in pairs_above(vectors[members], threshold):
            yield members[left], members[right], cosines


def semantic_copies(vectors: np.ndarray, others: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """For each vector the other one with the largest cosine.

    Args:
        vectors: `(rows, width)` float32 of length 1.
        others: `(others, width)`, likewise.
        threshold: The smallest cosine that counts.

    Returns:
        `(rows,)` positions of the others, -1 where none reaches the threshold; and `(rows,)` cosines.
    """
    found = nearest(vectors, others, 1)
    cosines = found.scores[:, 0]
    return np.where(cosines >= threshold, found.positions[:, 0], -1), cosines


def _cells(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """For each centre the rows that it is one of the nearest centres of, ascending."""
    draw = np.random.default_rng(0)
    count = max(1, len(vectors) // _PER_CENTRE)
    sample = vectors[np.sort(draw.choice(len(vectors), min(len(vectors), 64 * count), replace=False))]
    centres = sample[draw.choice(len(sample), count, replace=False)].astype(np.float32)
    for _ in range(_ROUNDS):
        own = nearest(sample, centres, 1).positions[:, 0]
        sums = np.zeros_like(centres)
        np.add.at(sums, own, sample)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-12), centres)
    belongs = nearest(vectors, centres, min(_CENTRES_EACH, count)).positions
    cell = belongs.ravel()
    row = np.repeat(np.arange(len(vectors)), belongs.shape[1])
    order = np.argsort(cell, kind="stable")
    for members in np.split(row[order], np.cumsum(np.bincount(cell, minlength=count))[:-1]):
        if len(members) > 1:
            yield members
