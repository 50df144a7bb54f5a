"""Rankings, and how scores by vectors and by keywords become one."""

from typing import NamedTuple

import numpy as np

# Where no document has any of a score, none has a share of it.
_SMALLEST = 1e-12


class Ranking(NamedTuple):
    """Some of many things that have scores, best first.

    Attributes:
        positions: `(found,)` int64, which of them.
        scores: `(found,)` float32, falling; comparable only within one ranking.
    """

    positions: np.ndarray
    scores: np.ndarray


def best(scores: np.ndarray, count: int) -> Ranking:
    """Those with the largest scores above 0; of equal ones, those that come first.

    Args:
        scores: `(all,)` of every one.
        count: The most that are wanted.
    """
    found = np.flatnonzero(scores > 0)
    if len(found) > count:
        least = np.partition(scores[found], len(found) - count)[len(found) - count] if count else np.inf
        found = found[scores[found] >= least]
    order = np.argsort(-scores[found], kind="stable")[:count]
    return Ranking(found[order].astype(np.int64), scores[found[order]].astype(np.float32))


def fuse(*scores: np.ndarray) -> np.ndarray:
    """One score of several for the same documents, from 0 to 1: their mean, each divided by the largest of its kind.

    A cosine and a sum of BM25 have no unit in common; what both have is a zero that means no likeness at all, and the
    best of all documents.

    Args:
        scores: Each `(documents,)`; what is below 0 counts as 0.

    Source:
        Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval" (a convex combination of
        scores that begin at their smallest possible value).
    """
    parts = [np.maximum(one, 0) for one in scores]
    found: np.ndarray = np.mean([one / max(float(one.max(initial=0)), _SMALLEST) for one in parts], axis=0)
    return found
