"""How good a ranking of documents is for a query whose relevant documents are known."""

from collections.abc import Mapping, Sequence

import numpy as np

# Names of the figures; `ndcg@10` looks at the first ten documents.
DEPTH = 10
RECALL_DEPTHS = (10, 100)
FIGURES = (f"ndcg@{DEPTH}", *(f"recall@{depth}" for depth in RECALL_DEPTHS), f"mrr@{DEPTH}")


def ndcg(ranked: Sequence[str], relevance: Mapping[str, float], depth: int = DEPTH) -> float:
    """The normalised discounted cumulative gain: `sum(gain / log2(rank + 1))`, divided by that of the best order.

    Args:
        ranked: Documents, best first, none twice.
        relevance: Of each judged document; others, and those of 0 or less, bring no gain. One at least is above 0.
        depth: How many of the ranked documents count.

    Source:
        Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with the gain itself rather
        than 2 to its power, as trec_eval and BEIR have it.
    """
    gains = [max(0.0, relevance.get(document, 0.0)) for document in ranked[:depth]]
    ideal = sorted((gain for gain in relevance.values() if gain > 0), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def recall(ranked: Sequence[str], relevance: Mapping[str, float], depth: int) -> float:
    """The share of the relevant documents among the first `depth`; arguments as of `ndcg`."""
    relevant = {document for document, gain in relevance.items() if gain > 0}
    return len(relevant.intersection(ranked[:depth])) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], relevance: Mapping[str, float], depth: int = DEPTH) -> float:
    """One divided by the rank of the first relevant document; 0 where none is among the first `depth`."""
    for rank, document in enumerate(ranked[:depth], start=1):
        if relevance.get(document, 0.0) > 0:
            return 1 / rank
    return 0.0


def figures_of(ranked: Sequence[str], relevance: Mapping[str, float]) -> dict[str, float]:
    """All figures of one query, by name; arguments as of `ndcg`."""
    found = [ndcg(ranked, relevance), *(recall(ranked, relevance, depth) for depth in RECALL_DEPTHS)]
    return dict(zip(FIGURES, [*found, reciprocal_rank(ranked, relevance)], strict=True))


def _discounted(gains: Sequence[float]) -> float:
    return float(np.sum(np.asarray(gains) / np.log2(np.arange(2, len(gains) + 2))))
