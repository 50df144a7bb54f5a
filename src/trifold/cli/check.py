"""Verbs on data files: `check`."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import DataSettings
from trifold.formatting import counted, shortened
from trifold.models.settings import BackboneSettings
from trifold.terminal import printable
from trifold.types import parts_of

if TYPE_CHECKING:
    from trifold.data.check import DataSummary

_SHOWN_CHARACTERS = 70
_SHOWN_LABELS = 20
# A column of labels is as wide as the longest of them, within these bounds.
_LABEL_WIDTHS, _COUNTED_LABEL_WIDTHS = (12, 24), (20, 40)
_SHOWN_BAD_ROWS = 10


def check(
    data: DataFile,
    /,
    *,
    reading: Annotated[DataSettings | None, Parameter(name="*")] = None,
    backbone: Annotated[BackboneSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Report on a data file before anything is trained on it.

    Args:
        data: CSV, TSV, JSON or Parquet file with texts and labels, or - for standard input.
        json: Print JSON instead.
    """
    from trifold.pipeline.check import check as run_check
    from trifold.pipeline.request import Request, flags_of

    chosen = backbone or BackboneSettings()
    report = run_check(Request(data, reading=reading or DataSettings(), backbone=chosen))
    if json:
        print_json(report.as_dict())
        return
    facts = report.facts
    guessed = " (guessed; --text-column and --label-column override)" if facts.guessed else ""
    print(f"{facts.path}: {facts.description}")
    print(f"text from column {facts.text_column!r}, label from column {facts.label_column!r}{guessed}")
    _print_first_rows(facts)
    print(f"\nRows      {facts.rows_in:,} in the file = {facts.rows_used:,} used + {len(facts.bad_rows):,} left out")
    for line_number, reason in facts.bad_rows[:_SHOWN_BAD_ROWS]:
        print(f"            line {line_number}: {reason}")
    if len(facts.bad_rows) > _SHOWN_BAD_ROWS:
        print(f"            and {len(facts.bad_rows) - _SHOWN_BAD_ROWS:,} more (all with --json)")
    print("Parts     " + ", ".join(f"{part} {count:,}" for part, count in facts.parts.items()))
    print(
        f"Repeated  {counted(facts.duplicates, 'text')} {'stands' if facts.duplicates == 1 else 'stand'} in an earlier "
        f"row, {report.near_duplicates:,} nearly; so {counted(facts.left_training, 'row')} left training and "
        f"{facts.left_validation:,} left validation{facts.near_in_words()}"
    )
    median, high, longest = report.tokens
    limit = chosen.reach if chosen.long_text == "window" else f"--max-length {report.max_length}"
    print(
        f"Length    median {median} tokens, 95 % up to {high}, longest {longest}; "
        f"{counted(report.truncated, 'text')} ({100 * report.truncated / facts.rows_used:.1f} %) "
        f"{'is' if report.truncated == 1 else 'are'} cut at {limit}"
    )
    _print_labels(facts)
    if report.warnings():
        print("\nTo look at")
        for warning in report.warnings():
            print(f"  - {warning}")
    advised = replace(reading or DataSettings(), merge_labels=True) if facts.variants else reading or DataSettings()
    say_next("compare", data, *flags_of(advised))


def _print_first_rows(facts: "DataSummary") -> None:
    from trifold.tasks.labels import as_text

    print("\nFirst rows")
    names = [printable(as_text(label)) for _, label in facts.first_rows]
    width = _width(names, *_LABEL_WIDTHS)
    for (row, _), name in zip(facts.first_rows, names, strict=True):
        shown = shortened(name, width)
        for text in parts_of(row):
            line = " ".join(printable(text).split())
            print(f"  {shown:<{width}}  {line[:_SHOWN_CHARACTERS]}{'…' if len(line) > _SHOWN_CHARACTERS else ''}")
            shown = ""  # the second text of a pair stands below the first


def _print_labels(facts: "DataSummary") -> None:
    print("\nLabels" + (" (a row may have several)" if facts.multi_label else ""))
    widest = max(facts.labels.values())
    counts = [(printable(str(label)), count) for label, count in facts.labels.items()][:_SHOWN_LABELS]
    width = _width([name for name, _ in counts], *_COUNTED_LABEL_WIDTHS)
    for name, count in counts:
        bar = "█" * max(1, round(30 * count / widest))
        print(f"  {shortened(name, width):<{width}} {count:>8,}  {100 * count / facts.rows_used:5.1f} %  {bar}")
    if len(facts.labels) > _SHOWN_LABELS:
        print(f"  and {len(facts.labels) - _SHOWN_LABELS} more")


def _width(names: Iterable[str], least: int, most: int) -> int:
    """Characters of a column of labels; longer ones are cut, with an ellipsis."""
    return min(most, max(least, *map(len, names)))
