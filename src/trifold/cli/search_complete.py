"""The command `search complete`: how a query may go on."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.output import print_json, print_table, say_next
from trifold.errors import require
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings


def complete(
    index: Path,
    typed: str,
    /,
    *,
    top_k: int = 10,
    queries: Path | None = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Complete a query that is being typed, from the phrases of the documents.

    Earlier queries come first, by how often they were asked, then what a language model writes where one is named,
    then phrases of the documents. The last word may be unfinished; a space behind it says that it is not.

    Args:
        index: Folder of search build.
        typed: The beginning of a query.
        top_k: How many completions to show.
        queries: File of earlier queries, each as often as it was asked: a column of texts, or a line each.
        json: Print JSON instead.
    """
    require(1 <= top_k <= 100, f"--top-k {top_k}", "give 1 to 100")
    require(compute is None or llm is not None, "a flag on how a model is run without --llm", "name a language model")
    from trifold.events import say
    from trifold.pipeline.search_complete import complete_query

    found = complete_query(index, typed, top_k, queries or (), llm, compute)
    if json:
        print_json({"typed": typed, "completions": found})
        return
    if not found:
        say("note: no query and no phrase of the documents goes on so")
        return
    rows = [{"query": one.text, "times": f"{one.count:,}" if one.count else "", "from": one.source} for one in found]
    print_table(rows)
    say_next("search", "query", index, "what you look for")
