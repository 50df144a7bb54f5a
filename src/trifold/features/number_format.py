"""The number format that features are kept in: half precision."""

import numpy as np

from trifold.models.pooling import Pooled

# The largest number that half precision has.
HALF_LIMIT = 65_504.0


def half(values: np.ndarray) -> np.ndarray:
    """Values in half precision; those beyond its range become its largest number instead of infinity."""
    result: np.ndarray = np.clip(values, -HALF_LIMIT, HALF_LIMIT).astype(np.float16)
    return result


def in_half_precision(pooled: Pooled) -> Pooled:
    """Pooled vectors as the cache keeps them."""
    return Pooled(half(pooled.vectors), pooled.layers)
