"""Verbs on data files: `check`."""

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import DataSettings
from trifold.formatting import counted
from trifold.models.settings import BackboneSettings
from trifold.terminal import printable
from trifold.types import parts_of

_SHOWN_CHARACTERS = 70
_SHOWN_LABELS = 20
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
    from trifold.tasks.labels import as_text

    chosen = backbone or BackboneSettings()
    report = run_check(Request(data, reading=reading or DataSettings(), backbone=chosen))
    if json:
        print_json(report.as_dict())
        return
    facts = report.facts
    guessed = " (guessed; --text-column and --label-column override)" if facts.guessed else ""
    print(f"{facts.path}: {facts.description}")
    print(f"text from column {facts.text_column!r}, label from column {facts.label_column!r}{guessed}")
    print("\nFirst rows")
    for row, label in facts.first_rows:
        name = printable(as_text(label))
        for text in parts_of(row):
            line = " ".join(printable(text).split())
            print(f"  {name:<12.12}  {line[:_SHOWN_CHARACTERS]}{'…' if len(line) > _SHOWN_CHARACTERS else ''}")
            name = ""  # the second text of a pair stands below the first
    print(f"\nRows      {facts.rows_in:,} in the file = {facts.rows_used:,} used + {len(facts.bad_rows):,} left out")
    for line_number, reason in facts.bad_rows[:_SHOWN_BAD_ROWS]:
        print(f"            line {line_number}: {reason}")
    if len(facts.bad_rows) > _SHOWN_BAD_ROWS:
        print(f"            and {len(facts.bad_rows) - _SHOWN_BAD_ROWS:,} more (all with --json)")
    print("Parts     " + ", ".join(f"{part} {count:,}" for part, count in facts.parts.items()))
    print(
        f"Repeated  {facts.duplicates:,} texts stand in an earlier row, {report.near_duplicates:,} nearly; "
        f"for that {counted(facts.left_training, 'row')} left training and {facts.left_validation:,} validation"
        f"{facts.near_in_words()}"
    )
    median, high, longest = report.tokens
    print(
        f"Length    median {median} tokens, 95 % up to {high}, longest {longest}; "
        f"{report.truncated:,} texts ({100 * report.truncated / facts.rows_used:.1f} %) "
        f"are cut at {chosen.reach if chosen.long_text == 'window' else f'--max-length {report.max_length}'}"
    )
    print("\nLabels" + (" (a row may have several)" if facts.multi_label else ""))
    widest = max(facts.labels.values())
    for label, count in list(facts.labels.items())[:_SHOWN_LABELS]:
        bar = "█" * max(1, round(30 * count / widest))
        print(f"  {printable(str(label)):<20.20} {count:>8,}  {100 * count / facts.rows_used:5.1f} %  {bar}")
    if len(facts.labels) > _SHOWN_LABELS:
        print(f"  and {len(facts.labels) - _SHOWN_LABELS} more")
    if report.warnings():
        print("\nTo look at")
        for warning in report.warnings():
            print(f"  - {warning}")
    advised = replace(reading or DataSettings(), merge_labels=True) if facts.variants else reading or DataSettings()
    say_next("compare", data, *flags_of(advised))
