"""The command `search eval`: how well an index finds what is known to be relevant."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.models.settings import ComputeSettings

if TYPE_CHECKING:
    from trifold.pipeline.search_eval import Evaluated
    from trifold.statistics.intervals import Interval


def evaluate_search(
    index: Path,
    queries: DataFile,
    judged: DataFile,
    /,
    *,
    split: str | None = None,
    rerank: Path | None = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Measure how well an index finds what is known to be relevant, by keywords, by vectors, and by both.

    Each figure is a mean over the queries with its 95 % interval. What one ranking is ahead of another is measured on
    the same queries, so that it can be told apart though the intervals overlap.

    Args:
        index: Folder of search build; documents are named by --id-column.
        queries: File with a column of ids and one of texts.
        judged: File with columns of query ids, document ids and relevance; without relevance all named are relevant.
        split: Of files with a column called split, only rows with this value.
        rerank: A cross-encoder (run folder, folder, or hub id), which ranks the best documents anew.
        json: Print JSON instead.
    """
    from trifold.pipeline.search_eval import evaluate_search as evaluate
    from trifold.runtime import prepare_own

    prepare_own()
    measured = evaluate(index, queries, judged, split, rerank, compute)
    if json:
        print_json(_as_dict(measured))
        return
    _print(measured)
    say_next("search", "query", index, "what you look for")


def _as_dict(measured: "Evaluated") -> dict[str, object]:
    return {
        "queries": len(measured.judgements.ids),
        "queries_left_out": measured.judgements.unjudged,
        "relevant_documents_not_in_index": measured.missing,
        "rankings": {one.name: dict(one.figures) for one in measured.found.rankings},
        "leads": [vars(lead) for lead in measured.found.leads],
    }


def _print(measured: "Evaluated") -> None:
    rankings = measured.found.rankings
    print(f"{len(measured.judgements.ids):,} queries\n")
    print_table(
        [
            {"figure": figure, **{one.name: _shown(one.figures[figure]) for one in rankings}}
            for figure in rankings[0].figures
        ]
    )
    if measured.found.leads:
        print()
        print_table(
            [
                {"ndcg@10": f"{lead.ahead} minus {lead.behind}", "difference": _shown(lead.by, sign="+")}
                for lead in measured.found.leads
            ]
        )


def _shown(one: "Interval", sign: str = "") -> str:
    return f"{one.value:{sign}.3f} ({one.low:{sign}.3f} to {one.high:{sign}.3f})"
