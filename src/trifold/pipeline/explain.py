"""Explain what a run says of a text, of rows of a file, or of a file as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from trifold.artifact.learned_texts import read_learned_texts, text_hashes
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.row_sample import some
from trifold.data.settings import LabelledSettings, TextSettings
from trifold.errors import DataError, SettingsError, TrifoldError
from trifold.events import say, track
from trifold.explanations.explain import explain_texts, weigh_text
from trifold.explanations.explanation import ExplainedRow, NearRow, TextRow, Word
from trifold.explanations.overview import Overview, label_overviews
from trifold.explanations.settings import ExplanationSettings, RowSettings
from trifold.formatting import counted
from trifold.inference.predict import score_texts
from trifold.inference.run import Run
from trifold.inference.stream import telling
from trifold.methods.catalogue import method_entry
from trifold.models.settings import ComputeSettings
from trifold.pipeline.evaluate import load_for
from trifold.pipeline.nearest_rows import TrainingRows
from trifold.statistics.accuracy import correct_rows
from trifold.types import BadRow, Record, Text

_MISTAKES = 10
# Of a file as a whole: what a language model is asked takes time or money.
_OVERVIEW_ROWS, _OVERVIEW_ROWS_OF_ASKING = 200, 20
# Of each of many texts the model is asked fewer times than of a single one: what counts is the sum.
_OVERVIEW_EVALUATIONS, _OVERVIEW_WORDS = 100, 20
_MOST_BAD_ROWS = 10
_TEXT_FIELDS = frozenset(field.name for field in fields(TextSettings))


def explain_rows(
    run: Run, rows: Sequence[TextRow], settings: ExplanationSettings, compute: ComputeSettings, nearest: int
) -> Iterator[ExplainedRow]:
    """Explain texts one by one, in their order; each comes when it is done.

    Args:
        run: The model.
        rows: The texts.
        settings: Which label, and how thoroughly.
        compute: How the encoder runs that nearest rows are found by.
        nearest: How many training rows are told of each.

    Raises:
        DataError: If a text is empty.
        SettingsError: If the label is none of the model's.
    """
    texts = [row.text for row in rows]
    near: list[list[NearRow]] = [[] for _ in rows]
    if nearest and rows:
        try:
            near = TrainingRows(run, compute).nearest(texts, nearest)
        except TrifoldError as error:
            say(f"note: {error}")
    found = explain_texts(run.predictor, texts, settings, asks_llm=method_entry(run.record.method).asks_llm)
    with track(f"explaining {counted(len(rows), 'text')}", len(rows)) as advance:
        for row, explanation, rows_near in zip(rows, found, near, strict=True):
            advance(1)
            yield ExplainedRow(row, explanation, tuple(rows_near))


def chosen_rows(run: Run, source: Path, reading: LabelledSettings, settings: RowSettings) -> list[TextRow]:
    """The rows of a file that are asked for.

    Raises:
        DataError: If the file cannot be read, or a row that is named is not there or has no text.
        SettingsError: If flags on labels are given and no label is needed.
    """
    if settings.mistakes:
        return _mistakes(run, source, reading, settings.most or _MISTAKES)
    return _with_learned(run, _named_rows(run, source, reading, settings))


def _named_rows(run: Run, source: Path, reading: LabelledSettings, settings: RowSettings) -> list[TextRow]:
    rows = _texts(run, source, reading, set(settings.numbers))
    if settings.sample:
        return sorted(some(rows, settings.sample), key=lambda row: row.row or 0)
    found = {row.row: row for row in rows if row.row in settings.numbers}
    for number in settings.numbers:
        if number not in found:
            raise DataError(f"{source} has no row {number} with a text: give others with --rows")
    return [found[number] for number in settings.numbers]


def overview(run: Run, source: Path, reading: LabelledSettings, words: int, most: int | None) -> Overview:
    """Which words matter for each label that the model gives to texts of a file.

    Args:
        run: The model.
        source: The file.
        reading: How to read it.
        words: How many words of a text count as deciding it.
        most: At most so many rows are looked at, drawn by chance.

    Raises:
        DataError: If the file cannot be read.
        SettingsError: If flags on labels are given.
    """
    predictor, count, looked_at = run.predictor, 0, 0

    def counting(rows: Iterator[TextRow]) -> Iterator[TextRow]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    rows = counting(_texts(run, source, reading, set()))
    linear = predictor.contributions("a", np.zeros(len(predictor.labels))) is not None
    asks_llm = method_entry(run.record.method).asks_llm
    limit = most or (None if linear else _OVERVIEW_ROWS_OF_ASKING if asks_llm else _OVERVIEW_ROWS)

    def weighed() -> Iterator[tuple[int, Sequence[Word]]]:
        nonlocal looked_at
        for row in telling(rows) if limit is None else _tracked(some(rows, limit)):
            yield weigh_text(predictor, row.text, _OVERVIEW_EVALUATIONS)
            looked_at += 1

    labels = label_overviews(weighed(), predictor.labels.names, words, _OVERVIEW_WORDS)
    return Overview(tuple(labels), looked_at, count, words, "weights" if linear else "occlusion")


def _tracked(rows: Sequence[TextRow]) -> Iterator[TextRow]:
    with track(f"weighing the words of {counted(len(rows), 'text')}", len(rows)) as advance:
        for row in rows:
            yield row
            advance(1)


def _texts(run: Run, source: Path, reading: LabelledSettings, wanted: set[int]) -> Iterator[TextRow]:
    """The rows of a file that have a text; the others are told.

    Args:
        run: Whose columns are read.
        source: The file.
        reading: How to read it.
        wanted: Numbers of the rows that are needed, all where empty: a bad row that nobody asked for is not told.
    """
    changed = [field.name for field in fields(LabelledSettings) if field.name not in _TEXT_FIELDS]
    given = [name for name in changed if getattr(reading, name) != getattr(LabelledSettings(), name)]
    if given:
        raise SettingsError(f"--{given[0].replace('_', '-')} is for --mistakes, which needs labels: leave it out")
    texts = TextSettings(**{name: getattr(reading, name) for name in _TEXT_FIELDS})
    table, columns, rows = open_rows(source, texts, RecordedColumns.recorded(run.record.as_json()))
    table.tell()
    bad: list[BadRow] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Record):
            yield TextRow(str(columns.text_of(row.values)), number, row.line)
        elif not wanted or number in wanted:
            bad.append(row)
    for row in bad[:_MOST_BAD_ROWS]:
        say(f"note: line {row.line} is left out: {row.reason}")
    if len(bad) > _MOST_BAD_ROWS:
        say(f"note: and {len(bad) - _MOST_BAD_ROWS:,} more rows are left out")


def _mistakes(run: Run, source: Path, reading: LabelledSettings, most: int) -> list[TextRow]:
    """The rows that the run labels otherwise than the file does, the surest first."""
    loaded, labels = load_for(run, source, reading), run.predictor.labels
    examples = loaded.examples
    probabilities = labels.probabilities(score_texts(run.predictor, examples.texts).logits)
    predicted = labels.decide(probabilities)
    sure = labels.confidence(probabilities, predicted)
    wrong = np.flatnonzero(~correct_rows(labels.encode(examples.labels), predicted))
    say(f"{counted(len(wrong), 'mistake')} in {counted(len(examples), 'row')}")
    learned = _learned(run, examples.texts)
    if count := int(learned.sum()):
        told = "all" if count == len(learned) else f"{count:,}"
        say(
            f"note: {run.folder} was trained on {told} of these {counted(len(learned), 'row')}, where it errs less "
            "than on new ones: give other rows to see how it errs on those"
        )
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:most].tolist()
    return [
        TextRow(
            examples.texts[place],
            examples.rows[place],
            examples.lines[place],
            examples.labels[place],
            bool(learned[place]),
        )
        for place in chosen
    ]


def _learned(run: Run, texts: Sequence[Text]) -> np.ndarray:
    """Which texts the run was trained on, `(texts,)` bool; none where it does not say."""
    learned = read_learned_texts(run.folder)
    return np.zeros(len(texts), dtype=bool) if learned is None else np.isin(text_hashes(texts), learned)


def _with_learned(run: Run, rows: Sequence[TextRow]) -> list[TextRow]:
    known = _learned(run, [row.text for row in rows])
    return [replace(row, learned=bool(one)) for row, one in zip(rows, known, strict=True)]
