"""From a run folder and texts to labels: single texts, or files streamed row by row in their order."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run, instead_of_best, new_file, require_other_file
from trifold.artifact.run_record import RUN, FinetuneRecord, RunRecord, read_run_record
from trifold.data.columns import Columns, unusable_text
from trifold.data.csv_file import write_rows
from trifold.data.examples import open_rows
from trifold.data.hub import stay_offline
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.events import say, track
from trifold.formatting import counted
from trifold.llm.contract import UnnamedServerError
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Predictor, Scores
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare
from trifold.schema import damaged
from trifold.tasks.labels import as_text
from trifold.terminal import for_terminal
from trifold.types import BadRow, Record, Target

_TEXTS_PER_SLICE = 1_024
_SAY_EVERY_SECONDS = 20.0
_ADDED = ("prediction", "probability", "truncated", "error")


@dataclass(frozen=True)
class Run:
    """A trained model with the facts of its making.

    Attributes:
        folder: Where it lies.
        predictor: Ready to use.
        record: Content of `run.json`.
    """

    folder: Path
    predictor: Predictor
    record: FinetuneRecord


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text.

    Attributes:
        label: The likeliest, or a tuple of those above their thresholds where a text may have several; `None` where the
            model was told to decline when it is not sure enough.
        probability: Of that label being right; of all of them, where there may be several.
        truncated: Whether the text was too long to be read whole.
        probabilities: Of every label.
    """

    label: Target | None
    probability: float
    truncated: bool
    probabilities: dict[str, float]


def load_run(path: Path | str, compute: ComputeSettings | None = None, llm: LlmSettings | None = None) -> Run:
    """Load a run folder, or the best run of a comparison's folder, after checking its hashes.

    Args:
        path: The folder.
        compute: How to run it.
        llm: The server and the key of a run that asks one: a run folder names neither.

    Raises:
        ArtifactError: If it is no run folder, or a file is missing or damaged; the message names it.
        UnnamedServerError: If it asks a server, and `llm` names none.
        SettingsError: If `llm` is given and the run asks no language model.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ArtifactError(
            f"there is no run folder {folder}: finetune or compare prints the right name as its last line"
        )
    run = best_run(folder)
    try:
        return _load(run, compute or ComputeSettings(), llm)
    except ArtifactError as error:
        if run == folder:
            raise
        raise ArtifactError(f"{error}; or {instead_of_best(folder)}") from None


def require_labels(folder: Path, record: RunRecord) -> FinetuneRecord:
    """The record, if it is that of a classifier.

    Raises:
        ArtifactError: If it is a language model.
    """
    if not isinstance(record, FinetuneRecord):
        raise ArtifactError(
            f"{folder} holds a language model, which knows no labels: let it speak with trifold fill-mask or generate, "
            f"or train it on labels with trifold finetune DATA --model {folder}"
        )
    return record


def _load(folder: Path, compute: ComputeSettings, llm: LlmSettings | None) -> Run:
    record = require_labels(folder, read_run_record(folder))
    try:
        method = method_entry(record.method)
    except SettingsError as error:
        raise damaged(folder / RUN, str(error)) from None
    verify_model(folder)
    if compute.offline:
        # Whatever is read next may name a data set of the hub.
        stay_offline()
    if record.exported:
        from trifold.methods.exported_predictor import ExportedPredictor

        return Run(folder, ExportedPredictor.load(folder / "model", compute), record)
    if method.asks_llm:
        from trifold.methods.prompt_predictor import PromptPredictor

        return Run(folder, PromptPredictor.load(folder / "model", compute, llm), record)
    if llm is not None:
        raise SettingsError(f"{folder} is a run of {record.method}, which asks no language model: leave out its flags")
    if method.needs_backbone:
        prepare()
    return Run(folder, method.load().predictor.load(folder / "model", compute), record)


def load_local_run(path: Path, compute: ComputeSettings) -> Run:
    """Load a run whose model is on this machine, for what only such a model is for.

    Raises:
        SettingsError: If it asks a server.
        ArtifactError: As `load_run`.
    """
    try:
        return load_run(path, compute)
    except UnnamedServerError:
        raise SettingsError(
            f"{path} asks a server for its answers, so there is no model here to measure or to export: name a run "
            "whose model is on this machine"
        ) from None


def score_texts(predictor: Predictor, texts: Sequence[str], what: str = "scoring") -> Scores:
    """Score many texts in slices, with progress; memory beyond the result does not grow with their number."""
    if not texts:
        return predictor.score(texts)
    parts = []
    with track(f"{what} {counted(len(texts), 'text')}", sum(len(text) for text in texts)) as advance:
        for start in range(0, len(texts), _TEXTS_PER_SLICE):
            part = texts[start : start + _TEXTS_PER_SLICE]
            parts.append(predictor.score(part))
            advance(sum(len(text) for text in part))
    return Scores(
        np.concatenate([p.logits for p in parts]),
        np.concatenate([p.truncated for p in parts]),
        sum(p.cached_seconds for p in parts),
    )


def predict_texts(predictor: Predictor, texts: Sequence[str], reject_below: float = 0.0) -> list[Prediction]:
    """Label some texts; those whose likeliest label has a probability under `reject_below` stay without.

    Raises:
        DataError: If a text is empty: a model has nothing to go by.
    """
    for text in texts:
        reason = unusable_text(text)
        if reason:
            raise DataError(f"{reason}: give a text with at least one word")
    return as_predictions(predictor, score_texts(predictor, texts), reject_below)


def as_predictions(predictor: Predictor, scores: Scores, reject_below: float = 0.0) -> list[Prediction]:
    """Scores in the user's terms."""
    labels = predictor.labels
    probabilities = labels.probabilities(scores.logits)
    decided = labels.decide(probabilities)
    confidence = labels.confidence(probabilities, decided)
    names = [str(name) for name in labels.names]
    return [
        Prediction(
            label=answer if sure >= reject_below else None,
            probability=float(sure),
            truncated=bool(cut),
            probabilities=dict(zip(names, row.tolist(), strict=True)),
        )
        for answer, sure, cut, row in zip(
            labels.decode(decided), confidence, scores.truncated, probabilities, strict=True
        )
    ]


def predict_file(
    run: Run,
    source: Path,
    output: Path | None,
    settings: TextSettings,
    reject_below: float = 0.0,
    *,
    excel_safe: bool = False,
) -> int:
    """Label every row of a file: same order, same number of rows, bad rows marked in the column `error`.

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
    taken = [name for name in table.columns if name in _ADDED]
    if taken:
        raise DataError(f"{source} already has a column {taken[0]!r}, which the predictions would add: rename it")
    labelled = _labelled(run.predictor, rows, columns, reject_below)
    if output is None:
        return _write(for_terminal(sys.stdout), table.columns, labelled, excel_safe=excel_safe)
    with new_file(output) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        return _write(file, table.columns, labelled, excel_safe=excel_safe)


def _labelled(
    predictor: Predictor, rows: Iterable[Record | BadRow], columns: Columns, reject_below: float
) -> Iterator[dict[str, object]]:
    """Each row's values with the four added columns, slice by slice."""
    stream = iter(rows)
    while slice_ := list(islice(stream, _TEXTS_PER_SLICE)):
        texts = [str(columns.text_of(row.values)) for row in slice_ if isinstance(row, Record)]
        predictions = iter(as_predictions(predictor, predictor.score(texts), reject_below))
        for row in slice_:
            if isinstance(row, BadRow):
                yield {
                    **row.values,
                    "prediction": "",
                    "probability": "",
                    "truncated": "",
                    "error": f"line {row.line}: {row.reason}",
                }
            else:
                found = next(predictions)
                declined = found.label is None
                yield {
                    **row.values,
                    "prediction": "" if found.label is None else as_text(found.label),
                    "probability": f"{found.probability:.6f}",
                    "truncated": str(found.truncated).lower(),
                    "error": f"declined: not as sure as {reject_below:g}" if declined else "",
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

    write_rows(file, [*columns, *_ADDED], counting(), excel_safe=excel_safe)
    return count


def _teller() -> Callable[[int], None]:
    """Says now and then how many rows are done: the file's length is not known while it streams."""
    started = last = time.monotonic()

    def tell(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SAY_EVERY_SECONDS:
            last = now
            say(f"{counted(count, 'row')} done, {count / (now - started):,.0f} a second")

    return tell
