"""The verb `search`: an index of documents, and what is asked of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile, OptionalDataFile, require_one
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ResultSettings, TextSettings
from trifold.documents.search.settings import IndexSettings, QuerySettings
from trifold.errors import require
from trifold.formatting import counted, megabytes
from trifold.models.settings import ComputeSettings
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.documents.search.build import Built
    from trifold.documents.search.query import Answer
    from trifold.documents.search.snippets import Snippet

_SHOWN_BAD = 10
_SHOWN_CHARACTERS = 100
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def build(
    documents: DataFile,
    /,
    *,
    index: Path,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    settings: Annotated[IndexSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Make an index of documents, or bring it up to date.

    Each row of the file is a document; its other columns are kept for conditions and answers. Of a folder each .txt,
    .md and .html file is a document, and each page of a .pdf. The index then holds these documents and no others: of
    those that it held before, only new and changed ones are encoded. It answers as before until the new one is whole,
    and a build that is stopped goes on where it was.

    Args:
        documents: CSV, TSV, JSON or Parquet file with a column of texts, a folder, or - for standard input.
        index: Folder of the index.
        json: Print JSON about what was done.
    """
    from trifold.data.hub import offline_data
    from trifold.events import say
    from trifold.pipeline.search import build_search
    from trifold.runtime import prepare_own

    how = compute or ComputeSettings()
    prepare_own()
    with offline_data(how.offline):
        built = build_search(documents, index, reading or TextSettings(), settings or IndexSettings(), how)
    for line, why in built.bad[:_SHOWN_BAD]:
        say(f"note: line {line} is left out: {why}" if line else f"note: left out: {why}")
    if len(built.bad) > _SHOWN_BAD:
        say(f"note: {len(built.bad) - _SHOWN_BAD:,} more are left out (all with --json)")
    if json:
        print_json({"index": str(index), **vars(built)})
        return
    _print_built(built, index)
    say_next("search", "query", index, "what you look for")


def query(
    index: Path,
    text: str | None = None,
    /,
    *,
    queries: OptionalDataFile = None,
    query_column: str | None = None,
    model: str | None = None,
    asked: Annotated[QuerySettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Find the documents that answer a query best.

    Of each document the best passage is shown, with what matches in it marked, and where the document stands: file, row
    and name. The score orders the answers to one query and says nothing of how well they fit; where nothing seems to,
    a note says so. --where takes conditions on the documents' columns: comparisons (= != < <= > >=), in (…), contains
    '…', is null, joined by and, or, not and parentheses; texts stand in single quotes, column names with spaces in
    double ones.

    Args:
        index: Folder of the index.
        text: The query.
        queries: File with a column of queries, or - for standard input.
        query_column: Its column of queries; guessed by default.
        model: Where the model of the index lies now, if it was moved.
        json: Print JSON; with --queries an object a line.
    """
    from trifold.data.hub import offline_data
    from trifold.documents.search.fitting import NOTHING_FITS, nothing_fits
    from trifold.events import say
    from trifold.pipeline.search import answer_file, answer_text, as_json, open_search, write_one
    from trifold.runtime import prepare_own

    require_one(
        "query needs a text or a file", "trifold search query INDEX TEXT, or … INDEX --queries FILE", text, queries
    )
    require(query_column is None or queries is not None, "--query-column without --queries", "name the file")
    how, settings, written = compute or ComputeSettings(), asked or QuerySettings(), result or ResultSettings()
    prepare_own()
    found = open_search(index, settings, how, model)
    if queries is not None:
        with offline_data(how.offline):
            count = answer_file(found, queries, settings, query_column, written, json=json)
        say(f"{count:,} {'query' if count == 1 else 'queries'} answered{_where(written)}")
        return
    assert text is not None
    require(
        written == ResultSettings() or written.output is not None, "--force or --excel-safe without --output", "name it"
    )
    answers = answer_text(found, text, settings)
    unfit = nothing_fits(found, text, answers)
    if unfit:
        say(f"note: {NOTHING_FITS}")
    if written.output is not None:
        write_one(text, answers, written)
        say(f"{counted(len(answers), 'answer')}{_where(written)}")
    elif json:
        told = {"query": text, "nothing_fits": unfit, "answers": [as_json(answer) for answer in answers]}
        print_json(told)
    else:
        _print_answers(answers)
        say_next("search", "query", index, "--queries", "FILE.csv", "--output", "answers.csv")


def info(index: Path, /, *, json: bool = False) -> None:
    """Tell what an index holds, and whether it is whole.

    Every file is compared with what was written.

    Args:
        index: Folder of the index.
        json: Print JSON instead.
    """
    from trifold.pipeline.search import describe

    facts = describe(index)
    if json:
        print_json(facts)
        return
    print(f"{index}: {counted(facts.documents, 'document')} in {counted(facts.passages, 'passage')}, whole")
    print(f"  made       {facts.made} from {facts.source}")
    print(f"  model      {facts.model}, {facts.width} numbers a passage")
    overlap = counted(facts.overlap_sentences, "sentence")
    print(f"  passages   up to {facts.passage_tokens} tokens, sharing {overlap}, language {facts.language}")
    print(f"  columns    {', '.join(facts.columns)}")
    print(
        f"  size       {megabytes(facts.size_bytes)}, {counted(facts.dead_passages, 'passage')} of it no longer in use"
    )
    if facts.approximate:
        print(f"  approximate  {_in_words(facts.approximate)}")
    print(f"  keywords   {'yes' if facts.keywords else 'no'}")
    say_next("search", "query", index, "what you look for")


def _print_built(built: "Built", index: Path) -> None:
    print(f"{index}: {counted(built.documents, 'document')} in {counted(built.passages, 'passage')}")
    passages = counted(built.encoded_passages, "distinct passage")
    if built.recovered_passages:
        passages += f", {built.recovered_passages:,} more from a build that was stopped"
    print(f"  encoded    {counted(built.encoded, 'document')} ({passages})")
    print(f"  unchanged  {built.unchanged:,}")
    print(f"  removed    {built.removed:,}")
    if built.bad:
        print(f"  left out   {counted(len(built.bad), 'row')} that cannot be used")
    if built.approximate:
        print(f"  approximate  {_in_words(built.approximate.as_json())}")


def _in_words(approximate: dict[str, object]) -> str:
    return (
        f"{approximate['kind']}, {approximate['probes']} cells searched: recall {approximate['recall']:.3f} of the ten "
        f"nearest, measured on {approximate['queries']} passages of the index, each left out of its own answers"
    )


def _print_answers(answers: "list[Answer]") -> None:
    from trifold.pipeline.search import NO_ANSWER

    if not answers:
        print(NO_ANSWER)
    for answer in answers:
        document = answer.document
        place = f"{document.file} row {document.row}" if document.row else document.file
        named = "" if document.id in (str(document.row), document.file) else f"  {document.id}"
        print(f"{answer.rank:>2}  {answer.score:.3f}  {place or 'given'}{named}")
        _print_marked(answer.snippet)
        shown = [f"{name}: {_short(value)}" for name, value in document.metadata.items() if value not in (None, "")]
        if shown:
            print(f"    {'  '.join(shown)}")


def _print_marked(snippet: "Snippet") -> None:
    """A snippet on one line, what matches in bold where this is a terminal."""
    begin, end = (_BOLD, _PLAIN) if sys.stdout.isatty() else ("", "")
    parts, at = [], 0
    for mark in snippet.marks:
        parts += [_line(snippet.text[at : mark.start]), begin, _line(snippet.text[mark.start : mark.end]), end]
        at = mark.end
    parts.append(_line(snippet.text[at:]))
    # Parts are fit for a terminal one by one, so that our own bold is left.
    sys.stdout.write(f"    {''.join(parts).strip()}\n")


def _line(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _where(result: ResultSettings) -> str:
    return f", written to {result.output}" if result.output else ""
