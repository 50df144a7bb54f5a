"""A run as one graph that needs no PyTorch, in full precision, or in 8-bit integers where held-out rows allow it."""

import shlex
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np

from trifold.artifact.learned_texts import LEARNED_TEXTS
from trifold.artifact.manifest import verify_file
from trifold.artifact.run_folder import choose_folder, new_folder
from trifold.artifact.run_record import ExportedRecord, write_run_record
from trifold.data.hub import offline_data
from trifold.data.settings import LabelledSettings
from trifold.errors import ArtifactError, ExportError
from trifold.events import say
from trifold.formatting import counted
from trifold.inference.predict import score_texts
from trifold.inference.run import Run, load_local_run
from trifold.methods.contract import Predictor
from trifold.methods.exported_predictor import GRAPH, ExportedPredictor, require_exportable
from trifold.models.settings import ComputeSettings
from trifold.pipeline.evaluate import load_for
from trifold.pipeline.recorded_run import reopen_task
from trifold.runtime import unchanged_process
from trifold.statistics.intervals import Interval
from trifold.statistics.metrics import paired_difference
from trifold.tasks.metric_choice import choose_metric, label_column, missing_for
from trifold.types import Examples

_WAY_OUT = "name a file with labelled rows that it was not trained on: --data FILE"
# Of `predict.py` in the folder of an export.
_REQUIREMENTS = "numpy>=2.2\nonnxruntime>=1.23\ntokenizers>=0.22.2\n"
# Measured with the trained model, so no facts of the export.
_OF_TRAINING = ("ms_per_text", "peak_memory_bytes")


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        folder: A run folder that predict, evaluate and bench take like any other.
        engine: `onnx`, or `int8`.
        score_name: What the two models were compared by.
        drop: Points of it that the export loses against the run on the same rows, with their interval.
        rows: So many.
        agreement: Share of the rows that both label alike.
        difference: The most that a probability differs on them.
        size_bytes: Size of the graph.
        before_bytes: Size of the run's model.
        pairs: Whether it reads pairs of texts.
        in_javascript: Whether transformers.js can use it: it knows neither pairs nor windows of a text.
    """

    folder: Path
    engine: str
    score_name: str
    drop: Interval
    rows: int
    agreement: float
    difference: float
    size_bytes: int
    before_bytes: int
    pairs: bool = False
    in_javascript: bool = True


def export(
    run: Path,
    output_dir: Path | None = None,
    *,
    graph_format: Literal["onnx"] = "onnx",
    int8: bool = False,
    max_drop: float = 0.5,
    data: Path | None = None,
    reading: LabelledSettings | None = None,
    offline: bool = False,
    trust_remote_code: bool = False,
) -> Exported:
    """Write a run's model as a graph, compare both on held-out rows, and keep it unless these show that it loses much.

    The rows are the run's own validation and test parts, found again by its data files, whose hashes must be those of
    the training; or those of `data`. Nothing is chosen by them: a few rows that the two models label differently, which
    may be chance, are told and do not refuse an export.

    Args:
        run: Run folder.
        output_dir: Where to; `runs/DATE-METHOD-onnx` (or `-int8`) where `None`.
        graph_format: Format of the graph.
        int8: Whether matrix products are done in 8-bit integers.
        max_drop: Points of the run's score that the export may lose: it is refused where the 95 % interval of what it
            loses lies above.
        data: Labelled rows to compare on instead.
        reading: Which columns of those are what.
        offline: Open no connection.
        trust_remote_code: Whether classes that the model brings with it may be run.

    Raises:
        ExportError: If it is shown to lose more; nothing is kept then.
        TrifoldError: If the run or the rows cannot be used.
    """
    engine = "int8" if int8 else graph_format
    target = choose_folder(output_dir, f"{run.absolute().name}-{engine}")
    compute = ComputeSettings(device="cpu", precision="float32", offline=offline, trust_remote_code=trust_remote_code)
    before = load_local_run(run, compute)
    if before.record.exported:
        raise ArtifactError(f"{run} is an export already: name the run that it was made from")
    with unchanged_process():
        parts = require_exportable(before.predictor)
    with offline_data(offline):
        held_out = _held_out(before, data, reading)
    graph = f"an ONNX graph{' of 8-bit integers' if int8 else ''}"
    say(f"writing {run} as {graph}, and comparing its answers with the run's")
    with new_folder(target) as folder, unchanged_process():
        ExportedPredictor.write(before.predictor, folder, int8=int8, pairs=before.reads_pairs, parts=parts)
        after = ExportedPredictor.load(folder, ComputeSettings(trust_remote_code=trust_remote_code))
        compared = _compare(before, after, held_out)
        _require_small_drop(compared, engine, max_drop)
        _write_program(folder)
        exported = _as_record(run, engine, compared, max_drop, str(data) if data else "validation and test part")
        size = after.size_bytes()
        if verify_file(before.folder, LEARNED_TEXTS):
            shutil.copy2(before.folder / LEARNED_TEXTS, folder)
        write_run_record(folder, before.record.but(*_OF_TRAINING, exported=exported, size_bytes=size))
    return Exported(
        target,
        engine,
        **vars(compared),
        size_bytes=size,
        before_bytes=before.predictor.size_bytes(),
        pairs=before.reads_pairs,
        in_javascript=(target / GRAPH).is_file() and not before.reads_pairs,
    )


def _held_out(run: Run, data: Path | None, reading: LabelledSettings | None) -> Examples:
    """The rows of `data`, or those of the run's own that it did not learn from."""
    if data:
        return load_for(run, data, reading or LabelledSettings()).examples
    split = reopen_task(run, _WAY_OUT).split
    return split.validation + split.test


def _write_program(folder: Path) -> None:
    """Write `predict.py`, which labels texts without Trifold, and what it needs."""
    program = resources.files("trifold.methods").joinpath("standalone.py")
    (folder / "predict.py").write_bytes(program.read_bytes())
    (folder / "requirements.txt").write_text(_REQUIREMENTS, encoding="utf-8")


def _require_small_drop(compared: "_Compared", engine: str, max_drop: float) -> None:
    """Refuse an export that is shown to lose too much, and say where its rows are too few to show that it does not.

    Raises:
        ExportError: If the whole interval of what it loses lies above `max_drop`.
    """
    drop = compared.drop
    low, value, high = (100 * part for part in (drop.low, drop.value, drop.high))
    loses = f"{value:.2f} points of {compared.score_name} on {counted(compared.rows, 'held-out row')}"
    if low > max_drop:
        raise ExportError(
            f"the {engine} model loses {loses} (95 % interval {low:.2f} to {high:.2f}), and --max-drop allows "
            f"{max_drop:g}: nothing was kept; allow more, measure on other labelled rows with --data FILE"
            + (", or export without --int8" if engine == "int8" else "")
        )
    if high > max_drop and compared.agreement < 1:
        say(
            f"note: these rows do not show that it loses at most {max_drop:g} points (--max-drop), it may be up to "
            f"{high:.2f}: more labelled rows would tell, with --data FILE"
        )


@dataclass(frozen=True)
class _Compared:
    """Two models on the same rows; attributes as in `Exported`."""

    score_name: str
    drop: Interval
    rows: int
    agreement: float
    difference: float


def _as_record(run: Path, engine: str, compared: _Compared, max_drop: float, rows_from: str) -> ExportedRecord:
    drop = compared.drop
    return ExportedRecord(
        engine=engine,
        from_=str(run),
        drop_points=round(100 * drop.value, 3),
        drop_low=round(100 * drop.low, 3),
        drop_high=round(100 * drop.high, 3),
        max_drop=max_drop,
        rows=compared.rows,
        rows_from=rows_from,
        agreement=round(compared.agreement, 5),
        difference=round(compared.difference, 6),
        command=shlex.join(["trifold", "export", str(run), *(["--int8"] if engine == "int8" else [])]),
    )


def _compare(before: Run, after: Predictor, rows: Examples) -> _Compared:
    labels = before.predictor.labels
    # A run that `TextClassifier.save` wrote was never scored.
    score = str(before.record.get("score_name") or choose_metric(None, labels, rows.label_counts()))
    truth = labels.encode(rows.labels)
    if missing := missing_for(score, labels, truth):
        unmeasured, score = score, choose_metric(None, labels, rows.label_counts())
        say(
            f"note: {unmeasured} has no value on the {counted(len(rows), 'held-out row')} ({missing}): {score} is taken"
        )
    column = label_column(score, labels)
    probabilities = [_probabilities(predictor, rows) for predictor in (before.predictor, after)]
    as_before, as_after = (labels.decide(one) for one in probabilities)
    drop = paired_difference(score, truth, as_before, as_after, len(labels), column=column, probabilities=probabilities)
    alike = float((as_before == as_after).reshape(len(truth), -1).all(1).mean())
    return _Compared(score, drop, len(rows), alike, float(np.abs(probabilities[0] - probabilities[1]).max()))


def _probabilities(predictor: Predictor, examples: Examples) -> np.ndarray:
    return predictor.labels.probabilities(score_texts(predictor, examples.texts, "comparing on").logits)
