"""Half precision (float16), the number format that features are kept in."""

import numpy as np

from trifold.models.pooling import Pooled

# The largest number that float16 can represent.
HALF_LIMIT = 65_504.0


def half(values: np.ndarray) -> np.ndarray:
    """Values in float16; one beyond its range becomes the largest float16 number, since infinity could not be used."""
    result: np.ndarray = np.clip(values, -HALF_LIMIT, HALF_LIMIT).astype(np.float16)
    return result


def in_half_precision(pooled: Pooled) -> Pooled:
    """Pooled vectors in float16, equal to what the cache would return."""
    return Pooled(half(pooled.vectors), pooled.layers)
