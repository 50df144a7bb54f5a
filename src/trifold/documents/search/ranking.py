"""Rankings of passages, and how that of the vectors and that of the keywords become one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Ranks below the first differ the less, the larger it is. Source: Cormack, Clarke and Büttcher 2009.
RANK_CONSTANT = 60


class Ranking(NamedTuple):
    """Some passages, best first.

    Attributes:
        positions: `(found,)` int64, where the passages stand in the index.
        scores: `(found,)` float32, falling; comparable only within one ranking.
    """

    positions: np.ndarray
    scores: np.ndarray


def best(scores: np.ndarray, count: int) -> Ranking:
    """The passages with the largest scores above 0; of equal ones, those that come first.

    Args:
        scores: `(passages,)` of every passage.
        count: The most that are wanted.
    """
    found = np.flatnonzero(scores > 0)
    if len(found) > count:
        least = np.partition(scores[found], len(found) - count)[len(found) - count] if count else np.inf
        found = found[scores[found] >= least]
    order = np.argsort(-scores[found], kind="stable")[:count]
    return Ranking(found[order].astype(np.int64), scores[found[order]].astype(np.float32))


def of_documents(ranking: Ranking, owners: np.ndarray) -> Ranking:
    """The best passage of each document, in the order of the ranking.

    Args:
        ranking: Of passages.
        owners: `(passages,)` ints, the document of every passage of the index.
    """
    _, first = np.unique(owners[ranking.positions], return_index=True)
    kept = np.sort(first)
    return Ranking(ranking.positions[kept], ranking.scores[kept])


def fuse(rankings: Sequence[Ranking], owners: np.ndarray, count: int) -> Ranking:
    """One ranking of documents out of several, by the sum of `1 / (60 + rank)` over those in which a document stands.

    Scores are not compared, since a cosine and a sum of BM25 have nothing in common.

    Args:
        rankings: Of passages; each deeper than what is wanted in the end, so that a document that stands low in one and
            high in another is seen.
        owners: As in `of_documents`.
        count: The most that are wanted.

    Returns:
        One passage for each document: the one that stands highest.

    Source:
        Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
        Methods".
    """
    each = [of_documents(one, owners) for one in rankings]
    positions = np.concatenate([one.positions for one in each])
    shares = np.concatenate([1 / (RANK_CONSTANT + 1 + np.arange(len(one.positions))) for one in each])
    documents, where = np.unique(owners[positions], return_inverse=True)
    scores = np.bincount(where, weights=shares, minlength=len(documents))
    # Written from the lowest share to the highest, so that the last one, the highest, stays.
    shown = np.empty(len(documents), dtype=np.int64)
    by_share = np.argsort(shares, kind="stable")
    shown[where[by_share]] = positions[by_share]
    order = np.argsort(-scores, kind="stable")[:count]
    return Ranking(shown[order], scores[order].astype(np.float32))
