"""Documents ranked by vectors, by keywords, by both, and anew by how relevant their passages are found."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trifold.data.visible_text import is_blank
from trifold.documents.search.ranking import best, fuse
from trifold.documents.search.words import NEEDS_SEARCH
from trifold.errors import SettingsError, require
from trifold.types import TextPair

if TYPE_CHECKING:
    from trifold.documents.search.query import SearchIndex

# Of vectors and of keywords alike so many documents are scored by both, however few are wanted: the first ten of ten
# answers are those of a hundred.
_FUSED = 200
# Documents whose best passage is read together with the query, however many are wanted.
RERANKED = 50
# Pairs of query and passage to how relevant each passage is, `(pairs,)` floats.
Reranker = Callable[[Sequence[TextPair]], np.ndarray]


class Hit(NamedTuple):
    """The best passage of a document.

    Attributes:
        position: Of the passage in the index.
        document: Number of the document.
        score: What the documents are ranked by.
        similarity: Dot product of the passage's vector with the query's.
    """

    position: int
    document: int
    score: float
    similarity: float


def ranked_hits(
    index: "SearchIndex",
    queries: Sequence[str],
    top_k: int,
    allowed: np.ndarray | None,
    *,
    approximate: bool | None = None,
    hybrid: bool | None = None,
    reranker: Reranker | None = None,
) -> list[list[Hit]]:
    """The documents that answer each query best, each by its best passage.

    Args:
        index: Is asked.
        queries: None is empty.
        top_k: The most that are wanted.
        allowed: `(positions,)` bool, which passages may be found; all where `None`.
        approximate: As in `SearchIndex.search`.
        hybrid: As in `SearchIndex.search`.
        reranker: Ranks the best 50 anew. Those after them keep their order and their scores.

    Raises:
        SettingsError: If the index has not what is asked for.
    """
    require(
        hybrid is not True or index.keywords is not None,
        "--hybrid",
        f"{index.folder} has no index of keywords: {NEEDS_SEARCH}, then build it again",
    )
    both = index.keywords is not None if hybrid is None else hybrid
    wanted = max(top_k, RERANKED) if reranker else top_k
    found = (_by_both if both else _by_vectors)(index, queries, wanted, allowed, approximate)
    if reranker:
        found = [
            [*_reranked(index, query, hits[:RERANKED], reranker), *hits[RERANKED:]]
            for query, hits in zip(queries, found, strict=True)
        ]
    return [hits[:top_k] for hits in found]


def _by_vectors(
    index: "SearchIndex", queries: Sequence[str], top_k: int, allowed: np.ndarray | None, approximate: bool | None
) -> list[list[Hit]]:
    return index.hits(index.vectors(queries), top_k, allowed, approximate=approximate)


def _by_both(
    index: "SearchIndex", queries: Sequence[str], top_k: int, allowed: np.ndarray | None, approximate: bool | None
) -> list[list[Hit]]:
    vectors = index.vectors(queries)
    depth = max(_FUSED, top_k)
    by_vectors = index.hits(vectors, depth, allowed, approximate=approximate)
    keywords = keyword_scores(index, queries, allowed)
    return [
        _fused(index, vector, hits, scores, depth)[:top_k]
        for vector, hits, scores in zip(vectors, by_vectors, keywords, strict=True)
    ]


def _reranked(index: "SearchIndex", query: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """The same documents, those whose passage is most relevant first; of equal ones in their order before."""
    scores = reranker([TextPair(query, index.passage(hit.position)) for hit in hits])
    return [hits[n]._replace(score=float(scores[n])) for n in np.argsort(-scores, kind="stable")]


def keyword_scores(index: "SearchIndex", queries: Sequence[str], allowed: np.ndarray | None) -> Iterator[np.ndarray]:
    """The BM25 score of every document for each query, `(documents,)` float32; 0 of those that are not allowed.

    Whole documents are scored, not their passages: the keywords of a query may stand in several of them.

    Args:
        index: Has keywords.
        queries: Any number.
        allowed: As in `ranked_hits`.
    """
    assert index.keywords is not None
    usable = np.zeros(len(index.runs.documents), dtype=bool)
    usable[index.owners[index.owners >= 0 if allowed is None else allowed]] = True
    for query in queries:
        scores = np.empty(len(usable), dtype=np.float32)
        scores[index.runs.documents] = index.keywords.scores(query)
        yield np.where(usable, scores, np.float32(0))


def _fused(
    index: "SearchIndex", vector: np.ndarray, hits: Sequence[Hit], keywords: np.ndarray, depth: int
) -> list[Hit]:
    """The documents that vectors or keywords find, by both scores of each.

    Args:
        index: Is asked.
        vector: `(width,)` of the query.
        hits: The nearest documents.
        keywords: `(documents,)` scores by keywords.
        depth: How many of the best by keywords are taken.
    """
    found = {hit.document: hit for hit in hits}
    others = [document for document in best(keywords, depth).positions.tolist() if document not in found]
    found |= {hit.document: hit for hit in _best_passages(index, others, vector)}
    candidates = list(found.values())
    documents = [hit.document for hit in candidates]
    scores = fuse(np.array([hit.score for hit in candidates]), keywords[documents])
    order = np.argsort(-scores, kind="stable").tolist()
    return [candidates[n]._replace(score=float(scores[n])) for n in order]


def _best_passages(index: "SearchIndex", documents: Sequence[int], vector: np.ndarray) -> list[Hit]:
    """Of each document the passage whose vector has the largest dot product with the query's."""
    passages = [index.runs.of(document) for document in documents]
    if not passages:
        return []
    scores = index.stored_vectors(np.concatenate(passages)) @ vector
    parts = np.split(scores, np.cumsum([len(one) for one in passages])[:-1])
    return [
        Hit(int(positions[part.argmax()]), document, float(part.max()), float(part.max()))
        for document, positions, part in zip(documents, passages, parts, strict=True)
    ]


def first_passages(owners: np.ndarray, positions: np.ndarray, scores: np.ndarray, top_k: int) -> list[Hit]:
    """The first passage of each document among some, best first, up to a number of documents.

    Args:
        owners: As in `SearchIndex`.
        positions: `(passages,)`, -1 for none.
        scores: `(passages,)` dot products.
        top_k: The most documents.
    """
    found: dict[int, Hit] = {}
    for position, score in zip(positions.tolist(), scores.tolist(), strict=True):
        if position >= 0:
            document = int(owners[position])
            found.setdefault(document, Hit(position, document, score, score))
        if len(found) == top_k:
            break
    return list(found.values())


def usable_query(query: str) -> str:
    """The query, without halves of characters that a command line may hold.

    Raises:
        SettingsError: If it holds nothing to look for.
    """
    if is_blank(query):
        raise SettingsError("the query is empty: give a text, or several words of one")
    return query.encode("utf-8", "replace").decode("utf-8")
