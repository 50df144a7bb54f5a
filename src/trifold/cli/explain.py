"""The verb `explain`: which words decided on a label."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile, require_one
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError, require
from trifold.explanations.settings import ExplanationSettings, RowSettings
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings

if TYPE_CHECKING:
    from trifold.explanations.explanation import ExplainedRow, TextRow
    from trifold.explanations.overview import Overview
    from trifold.inference.run import Run

_NEAREST = 3
_SHOWN_WORDS, _SHOWN_NEAREST, _SHOWN_AGAINST = 10, 100, 5


def explain(
    run: Path,
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    settings: Annotated[ExplanationSettings | None, Parameter(name="*")] = None,
    rows: Annotated[RowSettings | None, Parameter(name="*")] = None,
    nearest: int | None = None,
    output: Path | None = None,
    force: bool = False,
    reading: Annotated[LabelledSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Tell which words decided on a label: of a text, of rows of a file, or for each label in a whole file.

    The deciding words are those without which the label's probability falls furthest. How far is told, beside how far
    it falls without as many words drawn by chance: where the two are alike, no few words decided.

    Args:
        run: Run folder of finetune or compare, or USER/NAME of one on the hub.
        source: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        text: A single text.
        nearest: Show so many training rows that are nearest to each text, 3 by default; their file must be there still.
        output: HTML file for the explanations, instead of printing them.
        force: Overwrite --output where it is there already.
        json: Print JSON: of a text; of rows a list; of a file the words of each label.
    """
    from trifold.artifact.run_folder import require_free_file
    from trifold.data.hub import offline_data
    from trifold.inference.run import load_run
    from trifold.pipeline.request import flags_of

    chosen, how = rows or RowSettings(), compute or ComputeSettings()
    _require_sensible(source, text, settings, chosen, nearest, reading, rows)
    require(output is not None or not force, "--force without --output", "it is for --output")
    require(output is None or not json, "--json with --output", "leave one of them out")
    require_free_file(output, *([source] if source else []), force=force)
    opened, whom = load_run(run, how, llm), tuple(flags_of(llm or LlmSettings()))
    opened.require_single_texts("explain")
    asked = settings or ExplanationSettings()
    with offline_data(how.offline):
        if text is None and not chosen.one_by_one:
            assert source is not None
            _explain_file(opened, source, reading or LabelledSettings(), asked, chosen, output, force=force, json=json)
            say_next("explain", run, source, *whom, "--mistakes", json=json)
            return
        found = _rows(opened, source, text, reading or LabelledSettings(), chosen)
        _explain_rows(opened, found, asked, how, nearest, output, one=text is not None, force=force, json=json)
    say_next("explain", run, source or "FILE.csv", *whom, json=json)


def _require_sensible(
    source: Path | None,
    text: str | None,
    settings: ExplanationSettings | None,
    chosen: RowSettings,
    nearest: int | None,
    reading: LabelledSettings | None,
    rows: RowSettings | None,
) -> None:
    """Refuse flags that would have no effect.

    Raises:
        SettingsError: If there are such.
        DataError: If the text is empty.
    """
    from trifold.data.columns import unusable_text

    require_one(
        "explain needs a file or a text", "trifold explain RUN FILE, or trifold explain RUN --text TEXT", source, text
    )
    reason = unusable_text(text) if text is not None else None
    if reason:
        raise DataError(f"{reason}: give a text with at least one word")
    about_files = rows is not None or reading is not None
    require(text is None or not about_files, "a flag on files with --text", "leave out either")
    require(nearest is None or nearest >= 0, f"--nearest {nearest}", "give 0 or more")
    if source is not None and not chosen.one_by_one:
        way_out = "choose rows with --rows, --mistakes or --sample"
        require(nearest is None, "--nearest for a whole file", way_out)
        asked = settings or ExplanationSettings()
        require(asked.label is None, "--label for a whole file", f"it tells of every label; or {way_out}")
        require(asked.evaluations is None, "--evaluations for a whole file", way_out)


def _rows(
    run: "Run", source: Path | None, text: str | None, reading: LabelledSettings, chosen: RowSettings
) -> "list[TextRow]":
    from trifold.explanations.explanation import TextRow
    from trifold.pipeline.explain import chosen_rows

    if text is not None:
        return [TextRow(text)]
    assert source is not None
    return chosen_rows(run, source, reading, chosen)


def _explain_rows(
    run: "Run",
    rows: "Sequence[TextRow]",
    settings: ExplanationSettings,
    compute: ComputeSettings,
    nearest: int | None,
    output: Path | None,
    *,
    one: bool,
    force: bool,
    json: bool,
) -> None:
    """Explain single texts, and print or write what is found."""
    from trifold.pipeline.explain import explain_rows

    found = explain_rows(run, rows, settings, compute, _NEAREST if nearest is None else nearest)
    if output is not None:
        _write(run, output, list(found), None, force=force)
    elif json:
        values = [_as_dict(row) for row in found]
        print_json(values[0] if one else values)
    else:
        _print_rows(found)


def _explain_file(
    run: "Run",
    source: Path,
    reading: LabelledSettings,
    settings: ExplanationSettings,
    chosen: RowSettings,
    output: Path | None,
    *,
    force: bool,
    json: bool,
) -> None:
    """Find the words that matter for each label of a file, and print or write them."""
    from trifold.pipeline.explain import overview

    found = overview(run, source, reading, settings.words, chosen.most)
    if output is not None:
        _write(run, output, [], found, force=force)
    elif json:
        print_json(found)
    else:
        _print_overview(found)


def _write(run: "Run", output: Path, rows: "Sequence[ExplainedRow]", found: "Overview | None", *, force: bool) -> None:
    from trifold.artifact.run_folder import new_file
    from trifold.evaluate.explanation_page import explanation_page

    page = explanation_page(run.record, rows, found)
    with new_file(output, force=force) as aside:
        aside.write_text(page, encoding="utf-8")
    print(output)


def _print_rows(found: "Iterable[ExplainedRow]") -> None:
    from trifold.cli.marked_text import MarkedText

    shown = MarkedText()
    for number, row in enumerate(found):
        if number:
            print()
        _print_row(row, shown)


def _print_row(explained: "ExplainedRow", shown: Any) -> None:
    """Print one text with its words marked, and in words what decided and how far that can be believed."""
    from trifold.data.markup import as_shown
    from trifold.explanations.wording import headline, named_words
    from trifold.formatting import shortened
    from trifold.tasks.labels import as_text

    one = explained.explanation
    print(f"{headline(explained)}\n")
    shown.print(one)
    print(f"\n{shown.legend(one)}")
    if one.truncated:
        print("The text is longer than the model reads; only words that it reads are weighed.")
    negative = (word for word in one.words if word.weight < 0 and as_shown(word.text) == word.text)
    against = named_words(sorted(negative, key=lambda word: word.weight))
    if one.deciding:
        print(f"decided by     {', '.join(named_words(one.deciding))}")
        print(
            f"without these  {one.label} falls from {one.probability:.3f} to {one.probability_without:.3f}; "
            f"without as many words drawn by chance to {one.probability_without_random:.3f}"
        )
    else:
        print("No word speaks for it: without any of them the label is as likely or likelier.")
    if against:
        print(f"speaks against {', '.join(against[:_SHOWN_AGAINST])}")
    for near in explained.nearest:
        print(
            f"near, {near.similarity:.2f}    row {near.row} of the training file, {as_text(near.label) or 'no label'}: "
            f"{shortened(near.text, _SHOWN_NEAREST)}"
        )


def _print_overview(found: "Overview") -> None:
    """Print a table of words for each label."""
    from trifold.formatting import counted

    whole = "all" if found.texts == found.of else "drawn by chance"
    print(
        f"{counted(found.texts, 'text')} of {found.of:,} ({whole}); the {found.deciding} largest weights decide a text"
    )
    for label in found.labels:
        print(f"\n{label.label}: given to {counted(label.texts, 'text')}")
        if not label.words:
            print("no word speaks for it")
            continue
        print_table(
            [
                {
                    "word": word.text,
                    "decides": f"{word.decides:,}",
                    "of texts with it": f"{word.texts:,}",
                    "mean weight": f"{word.weight:+.2f}",
                }
                for word in label.words[:_SHOWN_WORDS]
            ]
        )


def _as_dict(explained: "ExplainedRow") -> dict[str, Any]:
    """What `--json` prints of one text."""
    row, one = explained.row, explained.explanation
    place: dict[str, Any] = {} if row.row is None else {"row": row.row, "line": row.line}
    truth = {} if row.truth is None else {"truth": row.truth}
    if row.row is not None:
        place["learned_from"] = row.learned
    return {
        **place,
        "label": one.label,
        "probability": one.probability,
        "predicted": one.predicted,
        **truth,
        "deciding": [vars(word) for word in one.deciding],
        "probability_without": one.probability_without,
        "probability_without_random": one.probability_without_random,
        "drop": one.drop,
        "random_drop": one.random_drop,
        "method": one.method,
        "evaluations": one.evaluations,
        "truncated": one.truncated,
        "words": [vars(word) for word in one.words],
        "nearest": [vars(near) for near in explained.nearest],
        "text": one.text,
    }
