"""Vectors in clusters, and how many of them."""

from dataclasses import dataclass

import numpy as np

from trifold.models.vector_steps import unit_length

# Dimensions that clusters are looked for in: in more, all distances are about the same.
_DIMENSIONS = 50
# Numbers of clusters that are tried (nobody reads a longer list), and rows that they are judged by.
_CHOICES = (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
_JUDGED_BY = 5_000
# Fewest rows of a cluster on average.
_FEWEST = 8
_STARTS = 4
# A row's cosine with its centre below which it belongs to no cluster: no more than that of a random direction.
_LONER = 0.1
OTHER = -1


@dataclass(frozen=True)
class Clusters:
    """Rows in clusters.

    Attributes:
        of_row: `(rows,)` int64, the cluster of each row, 0 being the largest; `OTHER` for rows that are near none.
        nearness: `(rows,)` cosine of each row with the centre of its cluster.
        count: Number of clusters.
        reduced: `(rows, dimensions)` float32 of length 1, what the rows were clustered by.
    """

    of_row: np.ndarray
    nearness: np.ndarray
    count: int
    reduced: np.ndarray


def cluster(vectors: np.ndarray, count: int | None, seed: int) -> Clusters:
    """k-means on principal components, the same for the same seed.

    Args:
        vectors: `(rows, width)`, at least two of them different.
        count: Number of clusters; by default the one with the best silhouette.
        seed: Of the first centres.

    Source: Rousseeuw 1987, "Silhouettes" (doi:10.1016/0377-0427(87)90125-7).
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    reduced = _reduced(vectors, seed)
    # Sums of several threads come in any order, and with them the last digits.
    with threadpool_limits(1):
        chosen = count or _best_count(reduced, seed)
        means = KMeans(chosen, n_init=_STARTS, random_state=seed).fit(reduced)
    centres = unit_length(means.cluster_centers_)
    nearness = np.einsum("rd,rd->r", reduced, centres[means.labels_])
    of_row = np.where(nearness >= _LONER, means.labels_, OTHER).astype(np.int64)
    sizes = np.bincount(of_row[of_row >= 0], minlength=chosen)
    order = np.argsort(-sizes, kind="stable")
    number = np.empty(chosen, dtype=np.int64)
    number[order] = np.arange(chosen)
    of_row[of_row >= 0] = number[of_row[of_row >= 0]]
    return Clusters(of_row, nearness.astype(np.float32), int(np.count_nonzero(sizes)), reduced)


def _reduced(vectors: np.ndarray, seed: int) -> np.ndarray:
    """The principal components of vectors, each row of length 1."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    dimensions = min(_DIMENSIONS, *vectors.shape)
    with threadpool_limits(1):
        found = PCA(dimensions, svd_solver="covariance_eigh", random_state=seed).fit_transform(vectors)
    return unit_length(found).astype(np.float32)


def _best_count(reduced: np.ndarray, seed: int) -> int:
    """The number of clusters whose rows are most clearly nearer to their own cluster than to the next."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    rows = np.arange(len(reduced))
    if len(rows) > _JUDGED_BY:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), _JUDGED_BY, replace=False))
    sample = reduced[rows]
    scores = {}
    for count in _CHOICES:
        if count > len(sample) // _FEWEST:
            break
        labels = KMeans(count, n_init=1, random_state=seed).fit_predict(sample)
        if len(np.unique(labels)) > 1:
            scores[count] = float(silhouette_score(sample, labels, metric="cosine"))
    return max(scores, key=lambda count: scores[count], default=2)
