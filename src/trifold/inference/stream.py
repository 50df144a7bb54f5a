"""Label the rows of a file of any size: rows in slices go to a labeller and come out in their order with more columns.

Which model labels is not known here: `predict` gives a trained model, `label` a language model.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from trifold.artifact.run_folder import new_file, require_free_file
from trifold.data.columns import Columns
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.result_file import result_format, write_result, write_text
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable, Row
from trifold.events import say
from trifold.formatting import counted, speed
from trifold.inference.answers import ERROR, answer_columns, answer_values
from trifold.inference.predict import as_predictions
from trifold.inference.run import Run
from trifold.inference.settings import AnswerSettings
from trifold.llm.call_log import IN_LOG
from trifold.methods.catalogue import method_entry
from trifold.terminal import for_terminal
from trifold.types import BadRow, Record, Text

_ROWS_PER_SLICE = 1_024
_SAY_EVERY_SECONDS = 20.0
NOTHING_KEPT = "nothing of it is kept"
_Row = TypeVar("_Row")

# Some usable rows and their texts to what is added to each row, by column; a column that is not named stays empty.
RowLabeller = Callable[[Sequence[Record], Sequence[Text]], Iterable[Mapping[str, object]]]


@dataclass
class Counts:
    """How many rows of a file were labelled, counted while they stream by.

    Attributes:
        labelled: Rows that got a prediction.
        declined: Rows that the model was not sure enough of.
        unreadable: Rows without a usable text.
    """

    labelled: int = 0
    declined: int = 0
    unreadable: int = 0

    def in_words(self) -> str:
        """Such as `9,990 rows labelled, 7 declined, 3 unreadable`."""
        left = {"declined": self.declined, "unreadable": self.unreadable}
        others = [f"{count:,} {what}" for what, count in left.items() if count]
        return ", ".join([f"{counted(self.labelled, 'row')} labelled", *others])


def predict_file(
    run: Run,
    source: Path,
    reading: TextSettings | None = None,
    result: ResultSettings | None = None,
    answers: AnswerSettings | None = None,
    *,
    json: bool = False,
) -> Counts:
    """Predict the label of every row of a file: same order, same number of rows, bad rows marked in column `error`.

    The file is streamed, so it may be larger than memory. A file of results appears whole or not at all.

    Args:
        run: The model.
        source: CSV, TSV, JSON, Parquet or a workbook; one column of texts is enough.
        reading: How to read `source`; the run's own columns are read where it names none.
        result: Where to write.
        answers: What to tell of each text.
        json: Whether standard output gets JSON lines instead of CSV.

    Raises:
        DataError: If the file cannot be read, a column that would be added is there already, or a row is bad and
            `on_bad_rows` is `fail`.
        SettingsError: If a setting is not allowed, or the result would overwrite a file.
    """
    reading, result, answers = reading or TextSettings(), result or ResultSettings(), answers or AnswerSettings()
    labels = run.predictor.labels
    answers.require_usable(len(labels))
    require_result(result, source, json=json)
    source_table, columns, rows = open_rows(source, reading, RecordedColumns.recorded(run.record.as_json()))
    source_table.tell()
    table = ResultTable(source_table, answer_columns(labels, answers))
    table.require_new("the predictions")
    counts = Counts()

    def predict(_: Sequence[Record], texts: Sequence[Text]) -> Iterator[Mapping[str, object]]:
        for found in as_predictions(run.predictor, run.predictor.score(texts), answers.reject_below):
            counts.declined += found.label is None
            counts.labelled += found.label is not None
            yield answer_values(found, labels, answers)

    kept = IN_LOG if method_entry(run.record.method).asks_llm else NOTHING_KEPT
    write_labelled(label_rows(counting_unreadable(rows, counts), columns, predict), table, result, json=json, kept=kept)
    return counts


def require_result(result: ResultSettings, *sources: Path, json: bool = False) -> str:
    """The format of a result, as `result_format` names it; a place or a format is refused before work is done for it.

    Raises:
        SettingsError: As `require_free_file` and `result_format`.
    """
    require_free_file(result.output, *sources, force=result.force)
    return result_format(result, json=json)


class CountsUnreadable(Protocol):
    """Counts that tell how many rows have no usable text."""

    unreadable: int


def counting_unreadable(rows: Iterable[Record | BadRow], counts: CountsUnreadable) -> Iterator[Record | BadRow]:
    """The rows as they come; those without a usable text are counted."""
    for row in rows:
        counts.unreadable += isinstance(row, BadRow)
        yield row


def label_rows(rows: Iterable[Record | BadRow], columns: Columns, labeller: RowLabeller) -> Iterator[Row]:
    """Each row's values with what is added to them, in the order of the rows.

    Args:
        rows: Of a file; read a slice at a time.
        columns: Which columns hold the texts.
        labeller: Called once a slice, for its usable rows alone. Of a bad row, column `error` says what is wrong with
            it.
    """
    stream = iter(rows)
    while slice_ := list(islice(stream, _ROWS_PER_SLICE)):
        usable = [row for row in slice_ if isinstance(row, Record)]
        answers = iter(labeller(usable, [columns.usable_text(row.values) for row in usable]))
        for row in slice_:
            answer = {ERROR: f"line {row.line}: {row.reason}"} if isinstance(row, BadRow) else next(answers)
            yield {**row.values, **answer}


def write_labelled(
    rows: Iterable[Row],
    table: ResultTable,
    result: ResultSettings,
    *,
    json: bool = False,
    then: Callable[[], None] = lambda: None,
    kept: str = NOTHING_KEPT,
) -> None:
    """Write what `label_rows` gives while it comes, saying now and then how far it is.

    Args:
        rows: The labelled rows.
        table: The columns of the result.
        result: Where to; a file appears whole or not at all.
        json: Whether standard output gets JSON lines instead of CSV.
        then: As in `new_file`.
        kept: What is left of the work where Ctrl-C or SIGTERM stops it, to be told.
    """
    written_as, told = result_format(result, json=json), telling(rows)
    if result.output is None:
        write_text(for_terminal(sys.stdout), written_as, table, told, excel_safe=result.excel_safe)
        return
    whole = not result.output.exists() or result.output.is_file()
    try:
        with new_file(result.output, then, force=result.force) as aside:
            write_result(aside, written_as, table, told, excel_safe=result.excel_safe)
    except (KeyboardInterrupt, SystemExit):
        if whole:
            say(f"note: {result.output} is not written, since a result appears whole or not at all: {kept}")
        raise


def telling(rows: Iterable[_Row], before: int = 0) -> Iterator[_Row]:
    """The rows, saying now and then how many are done: the file's length is not known while it streams.

    Args:
        rows: Of any kind.
        before: Rows that were done before these.
    """
    started = last = time.monotonic()
    for count, row in enumerate(rows, start=1):
        yield row
        now = time.monotonic()
        if now - last >= _SAY_EVERY_SECONDS:
            last = now
            say(f"{counted(before + count, 'row')} done, {speed(count, now - started)}")
