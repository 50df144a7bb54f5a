"""`finetune --task generate`: a decoder learns the answers of a file, is tested on held-out prompts and saved."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trifold.artifact.data_record import AnswersDataRecord
from trifold.artifact.manifest import write_manifest
from trifold.artifact.metrics_file import METRICS, LanguageModelFacts, read_metrics
from trifold.artifact.run_folder import choose_folder
from trifold.artifact.run_record import BackboneRecord, GenerateRecord
from trifold.atomic import write_json
from trifold.data.csv_file import save_rows
from trifold.data.examples import load_examples
from trifold.data.hub import offline_data
from trifold.drawing import drawing
from trifold.errors import SettingsError
from trifold.evaluate.plots import write_curves
from trifold.events import say
from trifold.methods.catalogue import generative_entry, method_name
from trifold.methods.generative import AnsweringDecoder, FittedDecoder, GenerativeMethod
from trifold.methods.unused_settings import require_used_to_generate
from trifold.pipeline.request import Request, unchanged
from trifold.pipeline.resume import asked_for, finished, plain
from trifold.pipeline.training_run import Start, TrainingRun, training_run
from trifold.pretrain.answer_objective import split_answers
from trifold.pretrain.objectives import Excerpt, prove_saved
from trifold.pretrain.settings import TaskSettings
from trifold.runtime import hardware, peak_memory_bytes, prepare_own
from trifold.train.settings import CheckpointSettings
from trifold.types import Examples, Split, single_texts
from trifold.version import versions

_CHECKED_TEXTS, _CHECKING_TOKENS = 8, 1 << 12
_WRITTEN_ROWS = 100
_CURVES = "loss.png"


@dataclass(frozen=True)
class Answering:
    """What `finetune --task generate` made.

    Attributes:
        folder: The run folder.
        metrics: Content of `metrics.json`.
    """

    folder: Path
    metrics: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Answering":
        """A finished run."""
        return cls(folder, read_metrics(folder, LanguageModelFacts))


def learn_answers(
    request: Request,
    task: TaskSettings,
    method: str,
    output_dir: Path | None = None,
    keep: CheckpointSettings | None = None,
) -> Answering:
    """Train a decoder to answer, and write its run folder.

    Args:
        request: The data, whose text column holds the prompts, and settings.
        task: Which column holds the answers; the task of `request` is to generate.
        method: `full` or `adapter-lora`.
        output_dir: Where to; `runs/DATE-generate` where `None`.
        keep: When the state of the training is saved, and whether to go on from one.

    Raises:
        TrifoldError: If anything given cannot be used; nothing is left behind then.
    """
    start, keep, method = Start(), keep or CheckpointSettings(), method_name(method)
    require_used_to_generate(method, *request.method_groups.values(), keep)

    def ask() -> dict[str, Any]:
        # Under a name of its own: a run that gives labels has no setting that this one lacks.
        return {**asked_for(request, method), **plain(vars(task)), "method": f"{method} to generate"}

    if done := finished(output_dir, ask, resume=keep.resume):
        if not (done / _CURVES).is_file():
            _draw(done)
        return Answering.read(done)
    target = choose_folder(output_dir, "generate", resume=keep.resume)
    learner = generative_entry(method).load()(request.method_settings)
    learner.backbone()  # refused before a long file is read
    with offline_data(request.backbone.offline), unchanged(request.files.values()):
        split = _split(request, task)
        asked = ask()
    prepare_own()
    with training_run(target, start, keep, asked, request.train.report_to, request.named()) as run:
        begun = time.monotonic()
        fitted = learner.fit(split.train, split.validation)
        seconds = time.monotonic() - begun + run.checkpointer.seconds_before
        _save_and_prove(learner, fitted.decoder, split.test, run.folder / "model")
        fitted.history.write(run.folder)
        metrics = fitted.decoder.measure(split.test).named() | _write_answers(run.folder, fitted.decoder, split.test)
        write_json(run.folder / METRICS, metrics)
        run.write_record(_record(request, task, method, split, fitted, seconds, run))
    _draw(target)
    return Answering.read(target)


def _draw(folder: Path) -> None:
    """What people look at, as far as it can be made."""
    with drawing(_CURVES):
        write_curves(folder)
    write_manifest(folder)


def _split(request: Request, task: TaskSettings) -> Split:
    if not task.target_column or not request.reading.text_column:
        raise SettingsError("--task generate needs both columns: --text-column PROMPTS --target-column ANSWERS")
    if request.reading.test_file or request.reading.validation_file:
        raise SettingsError("--task generate splits the data file itself: leave out --test-file and --validation-file")
    reading = replace(request.reading, label_column=task.target_column, label_separator="")
    data = load_examples(request.data, reading)
    if data.bad_rows:
        say(f"note: {len(data.bad_rows):,} rows cannot be used and are left out")
    return split_answers(data.examples)


def _save_and_prove(learner: GenerativeMethod, decoder: AnsweringDecoder, test: Examples, folder: Path) -> None:
    """Save the model, and refuse if the saved one gives other figures."""
    learner.save(decoder, folder)
    part = Excerpt(decoder.tokenise(test), _CHECKED_TEXTS)
    prove_saved(decoder.model, learner.reload(folder).model, part, _CHECKING_TOKENS, decoder.runtime)


def _write_answers(folder: Path, decoder: AnsweringDecoder, test: Examples) -> dict[str, Any]:
    """Write `predictions.csv`: what the model answers to the first test prompts; how many of them are exact."""
    rows = list(zip(test.rows, single_texts(test.texts), test.labels, strict=True))[:_WRITTEN_ROWS]
    said = decoder.answer([prompt for _, prompt, _ in rows])
    right = sum(one == str(answer).strip() for one, (_, _, answer) in zip(said, rows, strict=True))
    columns = ("row", "prompt", "answer", "prediction")
    found = (dict(zip(columns, (*row, one), strict=True)) for row, one in zip(rows, said, strict=True))
    save_rows(folder / "predictions.csv", columns, found)
    return {"exact_match": right / len(rows), "exact_match_rows": len(rows)}


def _record(
    request: Request,
    task: TaskSettings,
    method: str,
    split: Split,
    fitted: FittedDecoder,
    seconds: float,
    run: TrainingRun,
) -> GenerateRecord:
    """What `run.json` says, but for the times of the whole command and what was asked for."""
    columns = [f"--target-column={task.target_column}", "--method", method]
    return GenerateRecord(
        method=method,
        task="generate",
        command=request.command("finetune", *columns),
        started="",
        seed=request.train.seed,
        versions=versions(),
        hardware=hardware(),
        data=AnswersDataRecord(
            path=str(request.data),
            sha256=run.asked["data_sha256"],
            parts={"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
            left_training=split.left_training,
            left_validation=split.left_validation,
            truncated=fitted.truncated + fitted.decoder.tokenise(split.test).truncated,
        ),
        backbone=BackboneRecord.of(fitted.decoder.files),
        choices=fitted.choices,
        trainable_parameters=fitted.trainable_parameters,
        train_seconds=round(seconds, 3),
        peak_memory_bytes=peak_memory_bytes(),
    )
