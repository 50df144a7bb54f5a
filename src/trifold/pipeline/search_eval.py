"""How well an index finds what is known to be relevant: keywords, vectors, both, and reranked, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.documents.search.evaluation import SearchEvaluation, evaluate_rankings
from trifold.documents.search.hybrid import Hit, keyword_scores, ranked_hits, usable_query
from trifold.documents.search.judgements import Judgements, read_judgements
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.ranking import best
from trifold.errors import DataError
from trifold.events import say
from trifold.formatting import counted
from trifold.models.settings import ComputeSettings
from trifold.pipeline.reranker import open_reranker
from trifold.statistics.retrieval import RECALL_DEPTHS

_DEPTH = max(RECALL_DEPTHS)


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate_search` found.

    Attributes:
        found: Figures of each ranking, and what one is ahead of another.
        judgements: The queries, and what is relevant to them.
        ranked: Name of each ranking to the documents that it found for each query, best first.
        missing: Relevant documents that the index does not hold; nothing can find them.
    """

    found: SearchEvaluation
    judgements: Judgements
    ranked: Mapping[str, Sequence[Sequence[str]]]
    missing: int


def evaluate_search(
    index: Path,
    queries: Path,
    judged: Path,
    split: str | None = None,
    rerank: Path | None = None,
    compute: ComputeSettings | None = None,
) -> Evaluated:
    """Ask an index queries whose relevant documents are known, in every way that it can be asked.

    Args:
        index: Folder of `search build`.
        queries: File with ids and texts of queries.
        judged: File with ids of queries, ids of documents as the index calls them, and relevance.
        split: Of files with a column `split`, only rows with this value.
        rerank: A cross-encoder, as `open_reranker` takes it.
        compute: Where models are run.

    Raises:
        TrifoldError: If anything given cannot be used, or the index holds none of the relevant documents.
    """
    judgements = read_judgements(queries, judged, split)
    opened = SearchIndex(index, compute, reranker=open_reranker(rerank, compute) if rerank else None)
    ids = opened.document_ids()
    missing = len(judgements.documents() - set(ids))
    if missing == len(judgements.documents()):
        shown = ", ".join(map(repr, ids[:3]))
        raise DataError(
            f"{index} holds none of the documents that {judged} names; it calls its own {shown} and so on: build it "
            "with --id-column and the column of their ids"
        )
    if missing:
        say(f"note: not in the index, and so not found: {counted(missing, 'relevant document')}")
    if judgements.unjudged:
        say(f"note: left out without a relevant document: {judgements.unjudged:,} of the queries")
    if judgements.unknown:
        say(f"note: left out since {queries} has no text of them: {judgements.unknown:,} of the queries of {judged}")
    ranked = {
        name: [[ids[number] for number in one] for one in found]
        for name, found in _rankings(opened, judgements.queries).items()
    }
    return Evaluated(evaluate_rankings(ranked, judgements.relevance), judgements, ranked, missing)


def _rankings(index: SearchIndex, queries: Sequence[str]) -> dict[str, list[list[int]]]:
    """The documents that each way of asking finds for each query; keywords and both only where the index has them."""
    usable = [usable_query(query) for query in queries]
    allowed = index.allowed(None)
    found = {}
    if index.keywords:
        found["keywords"] = [best(one, _DEPTH).positions.tolist() for one in keyword_scores(index, usable, allowed)]
    found["vectors"] = _documents(ranked_hits(index, usable, _DEPTH, allowed, hybrid=False))
    if index.keywords:
        found["hybrid"] = _documents(ranked_hits(index, usable, _DEPTH, allowed, hybrid=True))
    if index.reranker:
        reranked = ranked_hits(index, usable, _DEPTH, allowed, reranker=index.reranker)
        found["reranked"] = _documents(reranked)
    return found


def _documents(found: Sequence[Sequence[Hit]]) -> list[list[int]]:
    return [[hit.document for hit in hits] for hits in found]
