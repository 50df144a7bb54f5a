"""A file whose rows are labelled through a server's queue, beside everyone else's requests."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable
from trifold.errors import DataError
from trifold.inference.answers import answer_columns, answer_values
from trifold.inference.predict import Prediction
from trifold.inference.settings import AnswerSettings
from trifold.inference.stream import Counts, counting_unreadable, label_rows, write_labelled
from trifold.serve.errors import QueueFullError
from trifold.serve.model_server import ModelServer
from trifold.serve.replies import Reply, TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.tasks.labels import LabelMap
from trifold.types import Record, Text

# Few enough that those who ask in between hardly wait.
_TEXTS_AT_A_TIME = 32
_ANSWER_SECONDS = 600.0


class StoppedError(Exception):
    """Whoever sent the file no longer wants it."""


@dataclass(frozen=True)
class FileWork:
    """What is to be done with a file.

    Attributes:
        run: That labels it.
        source: The file.
        output: Where the result goes.
        answers: What is told of each text.
        excel_safe: As in `ResultSettings`.
    """

    run: ServedRun
    source: Path
    output: Path
    answers: AnswerSettings
    excel_safe: bool


@dataclass
class FileProgress:
    """How far a file is.

    Attributes:
        rows: Of the file; `None` until they are counted.
        done: Rows that are labelled.
    """

    rows: int | None = None
    done: int = 0


def score_file(
    work: FileWork, server: ModelServer, loop: asyncio.AbstractEventLoop, progress: FileProgress, stopped: Event
) -> Counts:
    """Label every row of a file, in a thread of its own; the columns are those of `trifold predict --output`.

    Args:
        work: What is to be done.
        server: Is asked.
        loop: On which it answers.
        progress: Kept up to date.
        stopped: Once set, the work ends.

    Raises:
        DataError: If the file cannot be read.
        ServingError: If the server gives no answer.
        StoppedError: If it was stopped.
    """
    run, own = work.run, RecordedColumns.recorded(work.run.record.as_json())
    source, columns, rows = open_rows(work.source, TextSettings(), own)
    source.tell()
    labels = run.run.predictor.labels
    table = ResultTable(source, answer_columns(labels, work.answers))
    table.require_new("the predictions")
    progress.rows = _count(work.source, own, stopped)
    counts = Counts()

    def label(_: Sequence[Record], texts: Sequence[Text]) -> Iterator[Mapping[str, object]]:
        for answer in _answers(work, texts, server, loop, stopped):
            counts.declined += answer.declined
            counts.labelled += not answer.declined
            progress.done = counts.labelled + counts.declined + counts.unreadable
            yield answer_values(as_prediction(answer, labels), labels, work.answers)

    labelled = label_rows(counting_unreadable(rows, counts), columns, label)
    write_labelled(labelled, table, ResultSettings(output=work.output, excel_safe=work.excel_safe))
    progress.done = progress.rows
    return counts


def as_prediction(answer: TextAnswer, labels: LabelMap) -> Prediction:
    """A server's answer as a prediction, whose labels are of the types that they had in training."""
    given = tuple(labels.by_text[label] for label in answer.labels)
    label = None if answer.declined else given if labels.multi_label else given[0]
    names = [str(name) for name in labels.names]
    probabilities = dict(zip(names, answer.probabilities, strict=True))
    return Prediction(label, answer.confidence, answer.truncated, probabilities)


def _count(path: Path, own: RecordedColumns, stopped: Event) -> int:
    _, _, rows = open_rows(path, TextSettings(), own)
    count = 0
    for _ in rows:
        count += 1
        if not count % 1_024:
            _require_wanted(stopped)
    return count


def _answers(
    work: FileWork, texts: Sequence[Text], server: ModelServer, loop: asyncio.AbstractEventLoop, stopped: Event
) -> Iterator[TextAnswer]:
    """The answers to some texts; a piece of them is computed while the one before is written."""

    def ask(start: int) -> "Future[Reply]":
        part = texts[start : start + _TEXTS_AT_A_TIME]
        asked = server.predict(
            work.run.name, part, reject_below=work.answers.reject_below or None, deadline_seconds=_ANSWER_SECONDS
        )
        return asyncio.run_coroutine_threadsafe(asked, loop)

    starts = range(0, len(texts), _TEXTS_AT_A_TIME)
    waiting = [ask(start) for start in starts[:1]]
    for number, start in enumerate(starts):
        if number + 1 < len(starts):
            waiting.append(ask(starts[number + 1]))
        try:
            reply = _result(waiting.pop(0), stopped)
        except QueueFullError as error:
            reply = _again(lambda start=start: ask(start), error, stopped)  # type: ignore[misc]
        if reply.version != work.run.version:
            raise DataError("a new version of the run came in while the file was labelled: send the file again")
        yield from reply.answers


def _again(ask: "Callable[[], Future[Reply]]", error: QueueFullError, stopped: Event) -> Reply:
    """Ask until there is room: a file has time."""
    while True:
        if stopped.wait(error.retry_after_seconds):
            raise StoppedError
        try:
            return _result(ask(), stopped)
        except QueueFullError as again:
            error = again


def _result(asked: "Future[Reply]", stopped: Event) -> Reply:
    while not stopped.is_set():
        try:
            return asked.result(timeout=0.2)
        except TimeoutError:
            if asked.done():
                raise
    asked.cancel()
    raise StoppedError


def _require_wanted(stopped: Event) -> None:
    if stopped.is_set():
        raise StoppedError
