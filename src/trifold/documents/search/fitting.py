"""Whether anything in an index fits a query at all: the best of an index is told even where nothing does."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trifold.documents.search.query import Answer, SearchIndex

# Pairs of passages that are drawn, documents from which on they tell something, and what share of them is less similar
# than anything that fits.
_PAIRS, _FEWEST_DOCUMENTS, _SHARE = 4_000, 100, 0.95
# Share of a query's keywords that a document which fits holds.
_KEYWORDS = 0.5
NOTHING_FITS = (
    "nothing in the index seems to fit: the best answer is no more similar to the query than documents are to each "
    "other by chance, and none holds half of its keywords"
)


def nothing_fits(index: "SearchIndex", query: str, answers: "list[Answer]") -> bool:
    """Whether what was found is likely to be no answer.

    So it is where the best answer's similarity with the query is below that of 95 % of the random pairs of passages
    of the index, and no document holds half of the query's keywords. Where there are fewer than 100 documents, nothing
    is told so. What was measured: docs/search.md.

    Args:
        index: That was asked.
        query: What it was asked.
        answers: What it answered.
    """
    if not answers or len(index.runs.documents) < _FEWEST_DOCUMENTS:
        return False
    if index.keywords and index.keywords.largest_share(query) >= _KEYWORDS:
        return False
    return max(answer.similarity for answer in answers) < chance_similarity(index)


def chance_similarity(index: "SearchIndex") -> float:
    """What 95 % of random pairs of passages of different documents stay below; the same each time."""
    draw = np.random.default_rng(0)
    alive = np.flatnonzero(index.owners >= 0)
    first, second = draw.choice(alive, _PAIRS), draw.choice(alive, _PAIRS)
    apart = index.owners[first] != index.owners[second]
    one, other = (index.stored_vectors(some[apart]) for some in (first, second))
    return float(np.quantile(np.einsum("pw,pw->p", one, other), _SHARE)) if apart.any() else -1.0
