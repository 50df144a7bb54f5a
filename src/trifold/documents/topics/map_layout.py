"""Vectors as points of a plane, neighbours beside each other."""

import numpy as np

# More points would take minutes, and would lie over one another.
MOST_POINTS = 3_000
_PERPLEXITY, _ROUNDS = 30.0, 500
# t-SNE needs a few neighbours for each point.
_FEWEST = 8


def plane(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Points of a plane by t-SNE, begun at the first two principal components; `(rows, 2)` float32 from 0 to 1.

    Args:
        vectors: `(rows, width)` of length 1, at most `MOST_POINTS`.
        seed: The same gives the same points.

    Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE"; Kobak and Berens 2019 (doi:10.1038/
        s41467-019-13056-x) for its beginning at principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows = len(vectors)
    with threadpool_limits(1):
        if rows < _FEWEST:
            found = np.zeros((rows, 2))
            found[:, : min(2, rows)] = PCA(min(2, rows), random_state=seed).fit_transform(vectors) if rows > 1 else 0
        else:
            perplexity = min(_PERPLEXITY, (rows - 1) / 3)
            layout = TSNE(
                perplexity=perplexity, init="pca", max_iter=_ROUNDS, random_state=seed, learning_rate="auto", n_jobs=1
            )
            found = layout.fit_transform(vectors)
    low, high = found.min(axis=0), found.max(axis=0)
    return np.asarray((found - low) / np.maximum(high - low, 1e-12), dtype=np.float32)


def sampled(rows: int, seed: int) -> np.ndarray:
    """Which of so many rows are drawn, ascending: all, or as many as a map holds."""
    if rows <= MOST_POINTS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_POINTS, replace=False))
