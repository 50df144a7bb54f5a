"""Completions of a query that is being typed, from an index, earlier queries and a language model."""

from collections.abc import Sequence
from pathlib import Path

from trifold.documents.search.completions import Completion, complete
from trifold.documents.search.generation import KEYWORDS, verified_record, verify, with_current
from trifold.documents.search.judgements import read_queries
from trifold.documents.search.phrases import Phrases
from trifold.documents.search.words import NEEDS_SEARCH
from trifold.errors import SettingsError
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings


def complete_query(
    index: Path,
    typed: str,
    count: int = 10,
    queries: Path | Sequence[str] = (),
    llm: LlmSettings | None = None,
    compute: ComputeSettings | None = None,
) -> list[Completion]:
    """Complete a query.

    Args:
        index: Folder of `search build`.
        typed: The beginning of a query; its last word may be unfinished, unless a space follows it.
        count: The most that are wanted.
        queries: Earlier queries, each as often as it was asked, or a file of them.
        llm: A language model to ask as well.
        compute: How it is run.

    Raises:
        TrifoldError: If the index, the file or the language model cannot be used.
    """

    def opened(path: Path) -> Phrases:
        record = verified_record(index, path)
        if not record.keywords:
            raise SettingsError(f"{index} was built without keywords, from which completions come: {NEEDS_SEARCH}")
        # No more is read of the index, and so no more is looked at.
        verify(index, path, record, [name for name in record.sha256 if name.startswith(f"{KEYWORDS}/")])
        return Phrases(path / KEYWORDS)

    phrases = with_current(index, opened)
    earlier = read_queries(queries) if isinstance(queries, Path) else queries
    if llm is None:
        return complete(phrases, typed, count, earlier)
    from trifold.pipeline.prompt_files import Session

    session = Session(llm, compute or ComputeSettings())
    return complete(phrases, typed, count, earlier, session.client, session.sampling)
