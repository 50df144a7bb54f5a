"""The commands `summarize` and `summarize eval`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile, OptionalDataFile, require_one
from trifold.cli.output import print_json, print_table, print_text, say_next
from trifold.data.settings import ResultSettings, TextSettings
from trifold.documents.summaries.settings import SummarySettings
from trifold.errors import DataError, require
from trifold.llm.settings import LlmSettings
from trifold.models.settings import EncodingSettings

if TYPE_CHECKING:
    from trifold.pipeline.evaluate_summaries import SummaryScores
    from trifold.pipeline.summarize import Summarized, Summarizer

_ANY = Parameter(name="*")


def summarize(
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    summary: Annotated[SummarySettings | None, _ANY] = None,
    cite: bool = False,
    model: str = "minilm",
    encoding: Annotated[EncodingSettings | None, _ANY] = None,
    reading: Annotated[TextSettings | None, _ANY] = None,
    result: Annotated[ResultSettings | None, _ANY] = None,
    llm: Annotated[LlmSettings | None, _ANY] = None,
    json: bool = False,
) -> None:
    """Summarize a text, a document, or every row of a file.

    The summary consists of the text's own sentences, in their order: those that the rest of the text says again. With
    --llm a language model writes it instead; a text that is longer than it reads is summarized piece by piece.

    Args:
        source: Document (.txt, .md, .html, .pdf), folder of documents, or a file with a column of texts; - for
            standard input.
        text: A single text instead.
        cite: Name the sentences of the text that the summary comes from.
        model: Its vectors compare sentences: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run
            folder.
        json: Print JSON; of a file without --output, JSON lines.
    """
    from trifold.data.columns import unusable_text
    from trifold.pipeline.summarize import NO_SENTENCE, Summarizer, document_text

    usage = "trifold summarize FILE, or trifold summarize --text TEXT"
    require_one("summarize needs a document, a file or a text", usage, source, text)
    written, chosen = result or ResultSettings(), encoding or EncodingSettings()
    alone = text if source is None else document_text(source, reading)
    if alone is not None:
        about_files = result is not None or (reading is not None and text is not None)
        require(not about_files, "a flag on files with one text", "leave it out, or give a file with a column of texts")
        reason = unusable_text(alone)
        if reason:
            raise DataError(f"{reason}: give a text with at least one word")
    summarizer = Summarizer(model, chosen, summary or SummarySettings(), _named(llm), cited=cite)
    if alone is not None:
        made = summarizer.summarize([alone])[0]
        if not made.text:
            raise DataError(f"{NO_SENTENCE}: give another")
        _print_summary(made, cited=cite, json=json)
        say_next("summarize", "DOCUMENTS.csv", "--output", "summaries.csv", json=json)
        return
    assert source is not None
    _summarize_file(summarizer, source, reading or TextSettings(), written, cited=cite, json=json)


def evaluate(
    source: DataFile,
    /,
    *,
    summary_column: str | None = None,
    summary: Annotated[SummarySettings | None, _ANY] = None,
    model: str = "minilm",
    encoding: Annotated[EncodingSettings | None, _ANY] = None,
    reading: Annotated[TextSettings | None, _ANY] = None,
    llm: Annotated[LlmSettings | None, _ANY] = None,
    json: bool = False,
) -> None:
    """Measure summaries against those that people wrote, by ROUGE, beside the first sentences of each text.

    Args:
        source: File with a column of texts and one of reference summaries.
        summary_column: Column with the reference summaries; guessed by default.
        model: Its vectors compare sentences: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run
            folder.
        json: Print JSON.
    """
    from trifold.data.hub import offline_data
    from trifold.pipeline.evaluate_summaries import evaluate_summaries
    from trifold.pipeline.summarize import Summarizer

    chosen = encoding or EncodingSettings()
    summarizer = Summarizer(model, chosen, summary or SummarySettings(), _named(llm))
    with offline_data(chosen.offline):
        found = evaluate_summaries(summarizer, source, reading or TextSettings(), summary_column)
    if json:
        print_json(found.described())
    else:
        _print_scores(found)
    say_next("summarize", source, "--output", "summaries.csv", json=json)


def _named(llm: LlmSettings | None) -> LlmSettings | None:
    """The settings of a language model, if one is named."""
    unused = llm is not None and not llm.llm and llm != LlmSettings()
    require(not unused, "a setting of a language model without --llm", "name the model, or leave it out")
    return llm if llm and llm.llm else None


def _print_summary(found: "Summarized", *, cited: bool, json: bool) -> None:
    """Print the summary of one text, and where it comes from."""
    from trifold.events import say

    if json:
        parts = found.extracted.sentences if found.extracted else found.claims
        print_json({"summary": found.text, "sentences": parts, "of": found.extracted and found.extracted.of})
        return
    print_text(found.text)
    if cited and found.extracted:
        for sentence in found.extracted.sentences:
            print_text(f"[{sentence.number + 1}] {' '.join(sentence.text.split())}")
    for claim in found.claims or ():
        doubt = "" if claim.supported else "  <- no sentence of the text says this"
        print_text(f"\n{claim.text}\n  [{claim.number + 1}] {' '.join(claim.source.text.split())}{doubt}")
    if found.extracted and len(found.extracted.sentences) == found.extracted.of:
        say("note: the text has no more sentences than its summary, so it is given whole")


def _summarize_file(
    summarizer: "Summarizer", source: Path, reading: TextSettings, result: ResultSettings, *, cited: bool, json: bool
) -> None:
    from trifold.data.hub import offline_data
    from trifold.events import say
    from trifold.pipeline.summarize import summarize_file

    with offline_data(summarizer.offline):
        counts = summarize_file(summarizer, source, reading, result, cited=cited, json=json)
    if json and result.output:
        print_json({"output": str(result.output), **vars(counts)})
    say(counts.in_words() + (f", written to {result.output}" if result.output else ""))
    if result.output is None:
        say_next("summarize", source, "--output", "summaries.csv", json=json)
    else:
        say_next("summarize", "eval", "REFERENCES.csv", "--summary-column", "COLUMN", json=json)


def _print_scores(found: "SummaryScores") -> None:
    """Print ROUGE of summaries and first sentences, and the lead with its interval."""
    from trifold.events import say
    from trifold.formatting import counted
    from trifold.pipeline.evaluate_summaries import FIGURES

    titles = {"summary": "summaries", "lead": "first sentences", "difference": "difference"}
    rows = []
    for of, title in titles.items():
        row = {"": title}
        for figure in FIGURES:
            one = found.interval(figure, of)
            sign = "+" if of == "difference" else ""
            row[figure.replace("_", "-").upper()] = (
                f"{100 * one.value:{sign}.1f} ({100 * one.low:{sign}.1f} to {100 * one.high:{sign}.1f})"
            )
        rows.append(row)
    print_table(rows)
    say(
        f"{counted(len(found.rows), 'row')}, F1 in points with 95 % intervals; {found.differing:,} summaries are not "
        "just those" + (f"; {found.unreadable:,} rows had no text or no summary" if found.unreadable else "")
    )
    if not found.stemmed:
        say("note: words were compared without a stemmer: pip install 'trifold[search]'")
