"""The command `duplicates`: texts that stand in a file more than once, or in two files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ResultSettings, TextSettings
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.formatting import counted
from trifold.models.settings import EncodingSettings

if TYPE_CHECKING:
    from trifold.pipeline.duplicates import DuplicatesReport

_SHOWN_OF_A_KIND = 4
_SHOWN_EXACT_CHARACTERS = 100
_WHAT_IT_MEANS = {
    "exact": "the same but for case and spaces",
    "near": "share most of their letters in a row",
    "semantic": "say the same in other words",
}


def duplicates(
    data: DataFile,
    /,
    *,
    against: Path | None = None,
    drop: bool = False,
    model: str = "minilm",
    what: Annotated[DuplicateSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    encoding: Annotated[EncodingSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Find texts that stand in a file more than once: the same, nearly the same, or in other words.

    The first of them stays, the others are its duplicates. With --output FILE, the file comes back with columns that
    say of which line each row is a duplicate; with --drop, without the duplicates.

    Args:
        data: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        against: Another file: find the rows of DATA that also stand there, such as test rows among training rows.
        drop: Write DATA without its duplicates to --output.
        model: Encoder for --semantic: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run folder.
        json: Print JSON instead.
    """
    from trifold.errors import require
    from trifold.events import say
    from trifold.pipeline.duplicates import DuplicatesRequest
    from trifold.pipeline.duplicates import duplicates as find
    from trifold.pipeline.request import flags_of

    chosen, written = what or DuplicateSettings(), result or ResultSettings()
    for_vectors = model != "minilm" or encoding is not None
    require(chosen.semantic or not for_vectors, "a flag on vectors without --semantic", "add it, or leave that out")
    request = DuplicatesRequest(
        data=data, against=against, drop=drop, model=model, duplicates=chosen, result=written,
        reading=reading or TextSettings(), encoding=encoding or EncodingSettings(),
    )  # fmt: skip
    report = find(request)
    if json:
        print_json({**report.as_dict(), "output": written.output and str(written.output)})
        return
    _print(report, chosen)
    if written.output:
        stay = report.data.all_rows - (len(report.copies) if drop else 0)
        say(f"{counted(stay, 'row')} written to {written.output}")
    elif report.copies:
        other = ("--against", against) if against else ()
        flags = (*flags_of(request.reading), *flags_of(chosen))
        say_next("duplicates", data, *other, *flags, "--drop", "--output", "kept.csv")


def _print(report: "DuplicatesReport", settings: DuplicateSettings) -> None:
    rows, copies = report.data.all_rows, len(report.copies)
    if report.clusters is None:
        print(f"{report.data.path}: {copies:,} of {counted(rows, 'row')} also stand in {report.others.path}")
    else:
        groups = f" in {counted(report.clusters, 'group')}" if copies else ""
        print(
            f"{report.data.path}: {counted(rows, 'row')} = {rows - copies:,} + {counted(copies, 'duplicate')}{groups}"
        )
    if report.data.bad_rows:
        print(f"{counted(report.data.bad_rows, 'row')} without a usable text")
    looked_for = [kind for kind in report.counts if kind != "semantic" or settings.semantic]
    print()
    print_table(
        [{"kind": kind, "": _WHAT_IT_MEANS[kind], "rows": f"{report.counts[kind]:,}"} for kind in looked_for],
        left_aligned=2,
    )
    for kind in looked_for:
        _print_examples(report, kind)


def _print_examples(report: "DuplicatesReport", kind: str) -> None:
    """A few duplicates of a kind, the least alike first: those are what one wants to look at."""
    from trifold.documents.duplicates.differing_part import differing_part
    from trifold.formatting import shortened

    copies = [copy for copy in report.copies if copy.kind == kind]
    for copy in sorted(copies, key=lambda copy: copy.similarity)[:_SHOWN_OF_A_KIND]:
        text, other = report.data.texts[copy.position], report.others.texts[copy.of]
        line, other_line = report.data.lines[copy.position], report.others.lines[copy.of]
        there = f"line {other_line:,}" + ("" if report.clusters is not None else f" of {report.others.path}")
        print(f"\n{kind} {copy.similarity:.2f}: line {line:,} and {there}")
        if kind == "exact":
            print(f"    {shortened(text, _SHOWN_EXACT_CHARACTERS)}")
            continue
        first, second = differing_part(other, text) if kind == "near" else (other, text)
        print(f"  - {shortened(first, _SHOWN_EXACT_CHARACTERS)}")
        print(f"  + {shortened(second, _SHOWN_EXACT_CHARACTERS)}")
