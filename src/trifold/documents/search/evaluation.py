"""Rankings beside each other on the same queries: figures with intervals, and what one is ahead of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from trifold.statistics.intervals import Interval, mean_interval
from trifold.statistics.retrieval import FIGURES, figures_of


@dataclass(frozen=True)
class RankingFigures:
    """How good one way of ranking is.

    Attributes:
        name: Of the ranking, such as `hybrid`.
        figures: Name of each figure to its mean over the queries, with its 95 % interval.
        queries: `(queries, figures)` float64, of every query, in the order of `statistics.retrieval.FIGURES`.
    """

    name: str
    figures: Mapping[str, Interval]
    queries: np.ndarray


@dataclass(frozen=True)
class Lead:
    """What one ranking is ahead of another in the first figure, nDCG@10, on the same queries.

    Attributes:
        ahead: Name of the one.
        behind: Name of the other.
        by: The mean difference with its 95 % interval; negative where it is the other that leads.
    """

    ahead: str
    behind: str
    by: Interval


@dataclass(frozen=True)
class SearchEvaluation:
    """Rankings beside each other.

    Attributes:
        rankings: In the order in which they were given.
        leads: Of every later ranking on every earlier one.
    """

    rankings: tuple[RankingFigures, ...]
    leads: tuple[Lead, ...]


def evaluate_rankings(
    ranked: Mapping[str, Sequence[Sequence[str]]], relevance: Sequence[Mapping[str, float]]
) -> SearchEvaluation:
    """Measure some rankings.

    Args:
        ranked: Name of each ranking to the documents that it found for each query, best first, 100 if there are.
        relevance: Of each query, document to relevance; one at least is above 0.
    """
    found = []
    for name, lists in ranked.items():
        queries = np.array([list(figures_of(*one).values()) for one in zip(lists, relevance, strict=True)])
        figures = {figure: mean_interval(queries[:, number]) for number, figure in enumerate(FIGURES)}
        found.append(RankingFigures(name, figures, queries))
    leads = [
        Lead(later.name, earlier.name, mean_interval(later.queries[:, 0] - earlier.queries[:, 0], lowest=-1))
        for earlier, later in combinations(found, 2)
    ]
    return SearchEvaluation(tuple(found), tuple(leads))
