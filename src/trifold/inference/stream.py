"""Label the rows of a file of any size: rows in slices go to a labeller and come out in their order with more columns.

Which model labels is not known here: `predict` gives a trained model, `label` a language model.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

from trifold.artifact.run_folder import new_file, require_other_file
from trifold.data.columns import Columns
from trifold.data.csv_file import write_rows
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.formatting import counted
from trifold.inference.predict import NO_LABEL, Prediction, as_predictions
from trifold.inference.run import Run
from trifold.tasks.labels import as_text
from trifold.terminal import for_terminal
from trifold.types import BadRow, Record

_ROWS_PER_SLICE = 1_024
_SAY_EVERY_SECONDS = 20.0
_ERROR = "error"
_PREDICTED = ("prediction", "probability", "truncated")

# Some usable rows and their texts to what is added to each row, by column; a column that is not named stays empty.
RowLabeller = Callable[[Sequence[Record], Sequence[str]], Iterable[Mapping[str, object]]]


def predict_file(
    run: Run,
    source: Path,
    output: Path | None,
    settings: TextSettings,
    reject_below: float = 0.0,
    *,
    excel_safe: bool = False,
) -> int:
    """Predict the label of every row of a file: same order, same number of rows, bad rows marked in column `error`.

    The file is streamed, so it may be larger than memory. With `output` the result appears there whole or not at all.

    Args:
        run: The model.
        source: CSV, TSV, JSONL or Parquet; one column of texts is enough.
        output: Where to write; standard output where `None`.
        settings: How to read `source`; the run's own columns are read where it names none.
        reject_below: Rows that the model is less sure of get no prediction, and say so in `error`.
        excel_safe: As in `write_rows`.

    Returns:
        Rows written.

    Raises:
        DataError: If the file cannot be read, a column that would be added is there already, or a row is bad and
            `on_bad_rows` is `fail`.
    """
    require_other_file(output, source)
    table, columns, rows = open_rows(source, settings, RecordedColumns.recorded(run.record.as_json()))
    taken = [name for name in table.columns if name in (*_PREDICTED, _ERROR)]
    if taken:
        raise DataError(f"{source} already has a column {taken[0]!r}, which the predictions would add: rename it")

    def predict(_: Sequence[Record], texts: Sequence[str]) -> Iterator[Mapping[str, object]]:
        for found in as_predictions(run.predictor, run.predictor.score(texts), reject_below):
            yield _predicted(found, reject_below)

    labelled = label_rows(rows, columns, predict, _PREDICTED)
    return write_labelled(labelled, [*table.columns, *_PREDICTED], output, excel_safe=excel_safe)


def label_rows(
    rows: Iterable[Record | BadRow], columns: Columns, labeller: RowLabeller, added: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Each row's values with the added columns, in the order of the rows.

    Args:
        rows: Of a file; read a slice at a time.
        columns: Which column holds the texts.
        labeller: Called once a slice, for its usable rows alone.
        added: Columns that it fills, besides `error`, which says of a bad row what is wrong with it.
    """
    stream = iter(rows)
    empty = dict.fromkeys((*added, _ERROR), "")
    while slice_ := list(islice(stream, _ROWS_PER_SLICE)):
        usable = [row for row in slice_ if isinstance(row, Record)]
        answers = iter(labeller(usable, [str(columns.text_of(row.values)) for row in usable]))
        for row in slice_:
            answer = {_ERROR: f"line {row.line}: {row.reason}"} if isinstance(row, BadRow) else next(answers)
            yield {**row.values, **empty, **answer}


def write_labelled(
    rows: Iterable[dict[str, object]],
    columns: Sequence[str],
    output: Path | None,
    *,
    excel_safe: bool = False,
    then: Callable[[], None] = lambda: None,
) -> int:
    """Write what `label_rows` gives as CSV while it comes, saying now and then how far it is.

    Args:
        rows: The labelled rows.
        columns: Of the result; `error` is added as the last one.
        output: File that appears whole or not at all; standard output where `None`.
        excel_safe: As in `write_rows`.
        then: As in `new_file`.

    Returns:
        Rows written.
    """
    if output is None:
        return _write(for_terminal(sys.stdout), columns, rows, excel_safe=excel_safe)
    with new_file(output, then) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        return _write(file, columns, rows, excel_safe=excel_safe)


def _predicted(found: Prediction, reject_below: float) -> dict[str, object]:
    unsaid = f"declined: not as sure as {reject_below:g}" if found.label is None else ""
    return {
        "prediction": "" if found.label is None else as_text(found.label),
        "probability": f"{found.probability:.6f}",
        "truncated": str(found.truncated).lower(),
        _ERROR: NO_LABEL if found.label == () else unsaid,
    }


def _write(file: TextIO, columns: Sequence[str], rows: Iterable[dict[str, object]], *, excel_safe: bool) -> int:
    count = 0

    def counting() -> Iterator[dict[str, object]]:
        nonlocal count
        tell = _teller()
        for row in rows:
            yield row
            count += 1
            tell(count)

    write_rows(file, [*columns, _ERROR], counting(), excel_safe=excel_safe)
    return count


def _teller() -> Callable[[int], None]:
    """A function that says now and then how many rows are done: the file's length is not known while it streams."""
    started = last = time.monotonic()

    def tell(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SAY_EVERY_SECONDS:
            last = now
            say(f"{counted(count, 'row')} done, {count / (now - started):,.0f} a second")

    return tell
