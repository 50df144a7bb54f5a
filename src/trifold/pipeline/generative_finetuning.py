"""`finetune --task generate`: a decoder learns to answer prompts, whole or through low-rank adapters.

It is no `Method`: that contract is about class logits (temperature, thresholds, scikit-learn's estimator), of which
text has none. It shares the training loop, settings, run folder and `run.json`.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trifold.artifact.arrays import write_state
from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.metrics_file import METRICS, LanguageModelFacts, read_metrics
from trifold.artifact.run_folder import choose_folder, new_folder
from trifold.artifact.run_record import AnswersDataRecord, BackboneRecord, GenerateRecord, write_run_record
from trifold.atomic import write_json
from trifold.data.examples import load_examples
from trifold.data.hub import offline_data
from trifold.drawing import drawing
from trifold.errors import BackboneError, SettingsError
from trifold.evaluate.plots import write_curves
from trifold.events import say
from trifold.formatting import counted
from trifold.methods.catalogue import GENERATING, method_entry, method_name
from trifold.methods.defaults import FULL, LORA, tuning_epochs
from trifold.methods.training_config import make_training_config
from trifold.methods.unused_settings import require_used_to_generate
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.locate import describe_base, find_backbone
from trifold.models.lora import add_adapter, load_adapter, save_adapter
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.pipeline.answer_figures import measure_answers, write_answers
from trifold.pipeline.request import Request, unchanged, versions
from trifold.pipeline.resume import asked_for, finished, plain
from trifold.pretrain.answer_objective import BEHIND_PROMPT, Answers, split_answers, tokenise_answers
from trifold.pretrain.language_models import head_objective, language_model, saved_model
from trifold.pretrain.objectives import Excerpt, prove_saved
from trifold.pretrain.settings import TaskSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.runtime import Runtime, choose, hardware, peak_memory_bytes, prepare_own, seed_everything
from trifold.train.checkpoint import Checkpointer, checkpointing
from trifold.train.config import TrainingConfig
from trifold.train.history import History
from trifold.train.loop import train as train_model
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import reporting
from trifold.types import Split

_DEFAULTS = {"full": FULL, "adapter-lora": LORA}
_CHECKED_TEXTS, _CHECKING_TOKENS = 8, 1 << 12


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
        task: Which column holds the answers.
        method: `full` or `adapter-lora`.
        output_dir: Where to; `runs/DATE-generate` where `None`.
        keep: When the state of the training is saved, and whether to go on from one.

    Raises:
        TrifoldError: If anything given cannot be used; nothing is left behind then.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    keep = keep or CheckpointSettings()
    method = _generating_method(request, method, keep)

    def ask() -> dict[str, Any]:
        return {**asked_for(request, method), **plain(vars(task))}

    if done := finished(output_dir, ask, resume=keep.resume):
        return Answering.read(done)
    target = choose_folder(output_dir, "generate", resume=keep.resume)
    files = _decoder(request)
    with offline_data(request.backbone.offline), unchanged(request.files.values()):
        split = _split(request, task)
        asked = ask()
    prepare_own()
    runtime = choose(request.backbone.device, request.backbone.precision)
    with (
        new_folder(target) as folder,
        reporting(request.train.report_to, target.name, request.named()),
        checkpointing(target / STATE, keep.save_steps, keep.save_minutes, asked) as checkpointer,
    ):
        learned = _learn(request, method, files, split, runtime, checkpointer)
        _save_and_prove(learned, files, method, runtime, folder / "model")
        learned.history.write(folder)
        vocabulary, budget = Vocabulary.of(files, "clm"), learned.config.token_budget
        metrics = measure_answers(learned.model, learned.test, split.test, vocabulary, budget, runtime)
        metrics |= write_answers(folder, learned.model, split.test, files)
        write_json(folder / METRICS, metrics)
        record = _record(request, method, files, split, learned, asked["data_sha256"]).but(
            command=_command(request, task, method),
            asked=asked,
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - clock, 3),
        )
        write_run_record(folder, record)
    with drawing("loss.png"):
        write_curves(target)
    write_manifest(target)
    return Answering.read(target)


@dataclass(frozen=True)
class _Learned:
    """A decoder that learned to answer.

    Attributes:
        model: The trained decoder.
        config: Of the training loop.
        history: Of the training.
        test: The test rows, tokenised.
        trained: Numbers that were learned.
        truncated: Rows of all parts that were too long to be read whole.
        seconds: Of the training, in this process and in those before it.
    """

    model: Any
    config: TrainingConfig
    history: History
    test: Answers
    trained: int
    truncated: int
    seconds: float


def _learn(
    request: Request, method: str, files: BackboneFiles, split: Split, runtime: Runtime, checkpointer: Checkpointer
) -> _Learned:
    begun, chosen, defaults = time.monotonic(), request.backbone, _DEFAULTS[method]
    seed_everything(request.train.seed)
    model = language_model(files, "clm")
    if method_entry(method).adds_adapter:
        rank = request.tuning.adapter_size
        model = add_adapter(model, files, rank, task_type="CAUSAL_LM", target_modules="all-linear")
    model = model.to(runtime.device)
    vocabulary = Vocabulary.of(files, "clm")
    training, validation, test = (
        tokenise_answers(part, vocabulary, chosen.max_length, runtime.device)
        for part in (split.train, split.validation, split.test)
    )
    epochs = request.train.epochs or tuning_epochs(len(split.train))
    budget = chosen.token_budget or runtime.token_budget
    config = make_training_config(method, defaults, request.train, epochs=epochs, token_budget=budget)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    say(
        f"{method}: {files.name} learns {counted(len(split.train), 'answer')}, {trained:,} parameters, "
        f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g}, batch {config.batch_size}, "
        f"{runtime.precision} on {runtime.device}"
    )
    history, _ = train_model(model, training, validation, config, runtime)
    truncated = sum(part.truncated for part in (training, validation, test))
    seconds = time.monotonic() - begun + checkpointer.seconds_before
    return _Learned(model, config, history, test, trained, truncated, seconds)


def _record(
    request: Request, method: str, files: BackboneFiles, split: Split, learned: _Learned, data_sha256: str
) -> GenerateRecord:
    """What `run.json` says, but for the command, its times and what was asked for."""
    return GenerateRecord(
        method=method,
        task="generate",
        command="",
        started="",
        seed=request.train.seed,
        versions=versions(),
        hardware=hardware(),
        data=AnswersDataRecord(
            path=str(request.data),
            sha256=data_sha256,
            parts={"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
            left_training=split.left_training,
            left_validation=split.left_validation,
            truncated=learned.truncated,
        ),
        backbone=BackboneRecord.of(files),
        choices={name: getattr(learned.config, name) for name in ("learning_rate", "epochs", "batch_size")},
        trainable_parameters=learned.trained,
        train_seconds=round(learned.seconds, 3),
        peak_memory_bytes=peak_memory_bytes(),
    )


def _command(request: Request, task: TaskSettings, method: str) -> str:
    columns = ["--task", "generate", f"--target-column={task.target_column}", "--method", method]
    return request.command("finetune", *columns)


def _generating_method(request: Request, method: str, keep: CheckpointSettings) -> str:
    """The method's full name, if it can learn to write and uses all that is given."""
    name = method_name(method)
    if name not in GENERATING:
        raise SettingsError(f"--method {name} cannot learn to write: give {' or '.join(GENERATING)}")
    require_used_to_generate(name, *request.method_groups.values(), keep)
    return name


def _decoder(request: Request) -> BackboneFiles:
    files = find_backbone(request.backbone)
    if head_objective(files) != "clm":
        raise BackboneError(
            f"{files.name} reads text and does not write it: name a decoder with --model, or make one with "
            "trifold pretrain TEXT.txt --objective clm --from-scratch"
        )
    places = context_length(read_config(files))
    if places is not None and request.backbone.max_length > places:
        raise BackboneError(f"{files.name} reads at most {places} tokens: use --max-length {places} or less")
    return files


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


def _save(model: Any, files: BackboneFiles, method: str, folder: Path) -> None:
    """An ordinary decoder's folder, or a peft adapter that names its base."""
    if method_entry(method).adds_adapter:
        save_adapter(model, folder)
    else:
        model.save_pretrained(folder)
    copy_tokenizer(files, folder)
    write_state(folder, {"behind_prompt": BEHIND_PROMPT, **describe_base(files)}, {})


def _save_and_prove(learned: _Learned, files: BackboneFiles, method: str, runtime: Runtime, folder: Path) -> None:
    """Save the model, and refuse if the saved one gives other figures."""
    _save(learned.model, files, method, folder)
    saved = _load(folder, files, method)
    prove_saved(learned.model, saved, Excerpt(learned.test, _CHECKED_TEXTS), _CHECKING_TOKENS, runtime)


def _load(folder: Path, files: BackboneFiles, method: str) -> Any:
    """The inverse of `_save`."""
    if method_entry(method).adds_adapter:
        return load_adapter(saved_model(files, "clm"), folder)
    return saved_model(BackboneFiles(folder, str(folder), None, files.trust_remote_code), "clm")
