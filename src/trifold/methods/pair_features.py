"""What a small head reads of a pair whose texts are encoded apart: how far their vectors differ, and what they share.

A linear head on the two vectors themselves could not tell whether they are alike.

Source: Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations from Natural Language Inference
Data", section 3.1; of its four parts, the two vectors themselves are left out (benchmarks/log/pairs.md).
"""

import numpy as np

from trifold.features.half_precision import half
from trifold.models.pooling import Pooled

# Pairs that are put together at a time, which bounds what they take in single precision.
_PAIRS_AT_A_TIME = 1_024


def pair_vectors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`|first - second|` and `first * second`, joined: `(…, width)` twice to `(…, 2 * width)`."""
    return np.concatenate([np.abs(first - second), first * second], axis=-1)


def pooled_pairs(pooled: Pooled) -> Pooled:
    """The pooled vectors of pairs.

    Args:
        pooled: Those of the first texts of all pairs, and below them those of the second texts; in half precision.

    Returns:
        Vectors of twice the width, in half precision.
    """
    vectors = pooled.vectors
    texts, *middle, width = vectors.shape
    pairs = texts // 2
    found = np.empty((pairs, *middle, 2 * width), dtype=np.float16)
    for start in range(0, pairs, _PAIRS_AT_A_TIME):
        part = slice(start, min(start + _PAIRS_AT_A_TIME, pairs))
        first, second = vectors[part], vectors[pairs + part.start : pairs + part.stop]
        found[part] = half(pair_vectors(first.astype(np.float32), second.astype(np.float32)))
    return Pooled(found, pooled.layers)
