"""One method on one file: train, test once, save, prove that what was saved is what was trained."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.artifact.learned_texts import write_learned_texts
from trifold.artifact.metrics_file import MajorityFacts
from trifold.artifact.run_folder import choose_folder
from trifold.artifact.run_record import BackboneRecord, FinetuneRecord, as_record
from trifold.data.source import require_lasting
from trifold.evaluate.results import PROBABILITIES, RunResult, read_result, write_metrics, write_predictions
from trifold.events import say, say_detail
from trifold.inference.predict import score_texts
from trifold.methods.catalogue import MethodEntry, method_entry, method_name
from trifold.methods.contract import Fitted, Scores
from trifold.methods.settings import MethodSettings
from trifold.models.backbone_files import reason_of
from trifold.models.locate import find_backbone
from trifold.pipeline.deciding_metric import deciding_metric, reason_for_metric
from trifold.pipeline.drawn_run import draw_run, lacks_files
from trifold.pipeline.request import Request, Task, data_record, open_task, require_one_model
from trifold.pipeline.resume import asked_for, finished
from trifold.pipeline.teacher import compare_with_teacher, find_teacher
from trifold.pipeline.timed_passes import timed_passes
from trifold.pipeline.training_run import Start, require_same, training_run
from trifold.runtime import hardware, peak_memory_bytes, prepare_own
from trifold.statistics.constant_answer import constant_answer
from trifold.statistics.metric import NEED_PROBABILITIES, split_name
from trifold.statistics.metrics import Metrics, measure
from trifold.tasks.metric_choice import label_column
from trifold.train.checkpoint import Checkpointer
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import report
from trifold.types import Text
from trifold.version import versions

_CHECKED_TEXTS = 8
# The same weights on the same texts in the same batches; only the file lies between.
_LOGIT_TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2, "int8": 1e-2}


def finetune(
    request: Request,
    method: str,
    output_dir: Path | None = None,
    *,
    announce: bool = True,
    keep: CheckpointSettings | None = None,
    expected: str | None = None,
) -> RunResult:
    """Train one method and write its run folder.

    The run is whole and in its place before anything is drawn of it, which may fail.

    Args:
        request: The data and settings.
        method: Name of the method.
        output_dir: Where to; `runs/DATE-METHOD` where `None`.
        announce: Say on stderr what is unusual about the data.
        keep: When the state of the training is saved, and whether to go on from one in `output_dir`.
        expected: `Task.digest` of the data that must be what is read.

    Raises:
        TrifoldError: If anything given cannot be used; nothing is left behind then.
    """
    start, method, keep = Start(), method_name(method), keep or CheckpointSettings()
    require_one_model(request)
    request.require_used([method], keep)
    if done := finished(output_dir, lambda: asked_for(request, method), resume=keep.resume):
        result = read_result(done)
        if lacks_files(result):
            draw_run(result, request, open_task(request))
        return result
    target = choose_folder(output_dir, method, resume=keep.resume)
    require_lasting(*request.files.values())
    say_detail(
        f"{method}: {', '.join(f'{name}={value}' for name, value in request.for_method(method).named().items())}"
    )
    task = open_task(request)
    start.say_done("data read and split")
    method_entry(method).require_fit(task.split.train)
    task.require(expected)
    asked = asked_for(request, method, task.hashes)
    score = deciding_metric(request, task)
    if announce:
        for warning in task.facts.warnings():
            say(f"note: {warning}")
    with training_run(target, start, keep, asked, request.train.report_to, request.named()) as run:
        trained = _train(request, method, task, run.checkpointer)
        start.say_done(f"trained ({trained.fitted.choices})")
        tested = _test(trained.fitted, task.split.test.texts, method_entry(method))
        start.say_done("tested")
        trained.fitted.predictor.save(run.folder / "model")
        _prove_saved(run.folder / "model", method, trained.fitted, task, request.method_settings)
        metrics, predicted = _write_results(run.folder, task, tested.scores, trained.fitted, score)
        teacher = _meet_teacher(request, task, trained.fitted, predicted, metrics)
        if method_entry(method).load().uses_labels:
            write_learned_texts(run.folder, (*task.split.train.texts, *task.split.validation.texts))
        run.write_record(_record(request, method, task, trained, tested).but(teacher=teacher))
    result = read_result(target)
    if announce and (reason := reason_for_metric(request, task)):
        say(reason)
    draw_run(result, request, task, trained.fitted.predictor)
    return result


@dataclass(frozen=True)
class _Trained:
    """What a method learned.

    Attributes:
        fitted: The trained predictor, with the facts of its training.
        seconds: Seconds of the training, as if nothing had come from the cache, in this process and in those before it.
    """

    fitted: Fitted
    seconds: float


@dataclass(frozen=True)
class _Tested:
    """The test rows' scores, and what they took.

    Attributes:
        scores: Scores of the last pass.
        seconds: Seconds of each pass.
        peak_memory_bytes: Peak memory of the process, training included.
        account: What was found out in use: calls, failures, money.
    """

    scores: Scores
    seconds: Sequence[float]
    peak_memory_bytes: int
    account: dict[str, object]


def _train(request: Request, method: str, task: Task, checkpointer: Checkpointer) -> _Trained:
    entry = method_entry(method)
    if entry.needs_backbone:
        prepare_own()
    split, begun = task.split, time.monotonic()
    fitted = entry.load()(request.method_settings).fit(split.train, split.validation, task.labels)
    # Every method is charged its whole cost: what the cache saved was spent by another run.
    return _Trained(fitted, time.monotonic() - begun + fitted.cached_seconds + checkpointer.seconds_before)


def _test(fitted: Fitted, texts: Sequence[Text], entry: MethodEntry) -> _Tested:
    """Score the test rows, in several passes where one is short."""
    if entry.needs_backbone:
        # Laying the model out for the first text comes once, and is no part of what a text costs.
        fitted.predictor.score(texts[:1])
    # Answers of a language model may cost money, so each text is asked about once.
    passes = timed_passes(
        lambda: score_texts(fitted.predictor, texts, "testing on"),
        lambda scores: scores.cached_seconds,
        once=entry.asks_llm,
    )
    return _Tested(passes.found, passes.seconds, peak_memory_bytes(), fitted.predictor.account())


def _record(request: Request, method: str, task: Task, trained: _Trained, tested: _Tested) -> FinetuneRecord:
    """What `run.json` says, but for the times of the whole command, what was asked for and the teacher."""
    fitted, labels, score = trained.fitted, trained.fitted.predictor.labels, deciding_metric(request, task)
    backbone = find_backbone(request.backbone) if method_entry(method).needs_backbone else None
    return FinetuneRecord(
        method=method,
        command=request.command("finetune", "--method", method),
        started="",
        seed=request.train.seed,
        settings=as_record(request.method_settings.named()),
        versions=versions(),
        hardware=hardware(),
        data=data_record(request, task, task.split),
        labels=list(labels.names),
        multi_label=labels.multi_label or None,
        pairs=task.split.train.pairs or None,
        thresholds=list(labels.thresholds) if labels.multi_label else None,
        score_name=score,
        backbone=BackboneRecord.of(backbone) if backbone else None,
        max_length=request.backbone.max_length,
        choices={**fitted.choices, **tested.account},
        train_seconds=round(trained.seconds, 3),
        train_seconds_from_cache=round(fitted.cached_seconds, 3),
        ms_per_text=_milliseconds(statistics.median(tested.seconds), task),
        ms_per_text_range=(_milliseconds(min(tested.seconds), task), _milliseconds(max(tested.seconds), task)),
        trainable_parameters=fitted.trainable_parameters,
        size_bytes=fitted.predictor.size_bytes(),
        peak_memory_bytes=tested.peak_memory_bytes,
        truncated_test_texts=int(tested.scores.truncated.sum()),
        majority=_constant(task, score),
    )


def _constant(task: Task, score: str) -> MajorityFacts:
    """What the record says of the majority baseline."""
    labels, kind = task.labels, split_name(score)[0]
    truth = labels.encode(task.split.train.labels)
    answer = constant_answer(kind, truth, len(labels), label_column(score, labels))
    rows = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=len(labels))
    return {"labels": [labels.names[number] for number in np.flatnonzero(answer)], "label_rows": rows.tolist()}


def _meet_teacher(
    request: Request, task: Task, fitted: Fitted, predicted: np.ndarray, metrics: Metrics
) -> dict[str, object] | None:
    """How the model compares with the language model that gave the labels; `None` where none did."""
    teacher = find_teacher(request, task)
    if not teacher:
        return None
    try:
        return compare_with_teacher(teacher, request, task.split.test, fitted.predictor.labels, predicted, metrics)
    except Exception as error:  # noqa: BLE001 - no file beside the data may cost a training
        say(f"note: nothing is said of the labels' teacher ({type(error).__name__}: {reason_of(error)})")
        return None


def _milliseconds(seconds: float, task: Task) -> float:
    return round(1000 * seconds / len(task.split.test), 4)


def _write_results(folder: Path, task: Task, scores: Scores, fitted: Fitted, score: str) -> tuple[Metrics, np.ndarray]:
    """Everything that follows from the scores; the metrics, and what was predicted."""
    test, labels = task.split.test, fitted.predictor.labels
    truth, probabilities = labels.encode(test.labels), labels.probabilities(scores.logits)
    predicted = labels.decide(probabilities)
    write_predictions(folder, test, labels, predicted, labels.confidence(probabilities, predicted))
    if score in NEED_PROBABILITIES:
        np.save(folder / PROBABILITIES, probabilities.astype(np.float32))
    metrics = measure(truth, predicted, probabilities)
    write_metrics(folder, metrics, labels)
    step = fitted.history.rows[-1].step if fitted.history else 0
    report({"test_accuracy": metrics.accuracy.value, "test_macro_f1": metrics.macro_f1.value}, step)
    if fitted.history:
        fitted.history.write(folder)
    return metrics, predicted


def _prove_saved(folder: Path, method: str, fitted: Fitted, task: Task, settings: MethodSettings) -> None:
    """Reload what was saved and compare logits: a lost head or a wrong base must never pass in silence.

    Raises:
        ArtifactError: If they differ.
    """
    texts = task.split.test.texts[:_CHECKED_TEXTS]
    before = fitted.predictor.score(texts).logits
    after = method_entry(method).load()(settings).reload(folder).score(texts).logits
    require_same(method, "logits", before, after, _LOGIT_TOLERANCE[str(fitted.choices.get("precision", "float32"))])
