"""`finetune --task generate`: a decoder learns to answer prompts, whole or through low-rank adapters."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import write_state
from trifold.artifact.manifest import STATE
from trifold.artifact.run_folder import choose_folder, new_folder, write_json
from trifold.artifact.run_record import LanguageModelFacts, read_metrics
from trifold.data.csv_file import save_rows
from trifold.data.examples import load_examples
from trifold.data.hub import local_file, stay_offline
from trifold.drawing import drawing
from trifold.errors import BackboneError, SettingsError
from trifold.events import say
from trifold.formatting import counted
from trifold.hashing import file_sha256
from trifold.methods.defaults import FULL, LORA, tuning_epochs
from trifold.methods.training_config import make_training_config
from trifold.methods.unused_settings import require_used_to_generate
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.locate import describe_base, find_backbone
from trifold.models.lora import add_adapter, load_adapter, save_adapter
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.pipeline.request import Request, unchanged, versions
from trifold.pipeline.resume import asked_for, finished, plain
from trifold.pretrain.answer_objective import BEHIND_PROMPT, Answers, split_answers, tokenise_answers
from trifold.pretrain.generation import continue_text
from trifold.pretrain.language_models import head_objective, language_model, saved_model
from trifold.pretrain.objectives import Excerpt, prove_saved
from trifold.pretrain.perplexity import measures
from trifold.pretrain.settings import TaskSettings, WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.runtime import Runtime, choose, hardware, limit_matmul_cache, peak_memory_bytes, prepare, seed_everything
from trifold.train.checkpoint import checkpointing
from trifold.train.loop import train as train_model
from trifold.train.objective import evaluate
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import reporting
from trifold.types import Examples, Split

_METHODS = {"full": FULL, "adapter-lora": LORA}
_WRITTEN_ROWS = 100
_LONGEST_ANSWER = 64
_CHECKED_TEXTS = 8


@dataclass(frozen=True)
class Answering:
    """What `finetune --task generate` made.

    Attributes:
        folder: The run folder.
        metrics: Content of `metrics.json`.
    """

    folder: Path
    metrics: dict[str, Any]


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
    method = {"adapter": "adapter-lora"}.get(method, method)
    if method not in _METHODS:
        raise SettingsError(f"--method {method} cannot learn to write: give {' or '.join(_METHODS)}")
    keep = keep or CheckpointSettings()
    require_used_to_generate(method, *vars(request.method_settings).values(), keep)

    def ask() -> dict[str, Any]:
        return {**asked_for(request, method), **plain(vars(task))}

    if done := finished(output_dir, ask, resume=keep.resume):
        return Answering(done, read_metrics(done, LanguageModelFacts))
    target = choose_folder(output_dir, "generate", resume=keep.resume)
    chosen = request.backbone
    if chosen.offline:
        stay_offline()
    files = _decoder(request)
    with unchanged(request.files.values()):
        split = _split(request, task)
        asked = ask()
    prepare()
    runtime = choose(chosen.device, chosen.precision)
    vocabulary = Vocabulary.of(files, "clm")
    with (
        new_folder(target) as folder,
        reporting(request.train.report_to, target.name, request.named()),
        checkpointing(target / STATE, keep.save_steps, keep.save_minutes, asked) as checkpointer,
    ):
        begun = time.monotonic()
        seed_everything(request.train.seed)
        model = language_model(files, "clm")
        if method == "adapter-lora":
            rank = request.tuning.adapter_size
            model = add_adapter(model, files, rank, task_type="CAUSAL_LM", target_modules="all-linear")
        model = model.to(runtime.device)
        parts = [
            tokenise_answers(part, vocabulary, chosen.max_length, runtime.device)
            for part in (split.train, split.validation, split.test)
        ]
        if _METHODS[method].small_matmul_cache:
            limit_matmul_cache(int(np.median(parts[0].lengths)))
        rows = len(split.train)
        epochs = request.train.epochs or tuning_epochs(rows)
        budget = chosen.token_budget or runtime.token_budget
        config = make_training_config(method, _METHODS[method], request.train, epochs=epochs, token_budget=budget)
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        say(
            f"{method}: {files.name} learns {counted(rows, 'answer')}, {trained:,} parameters, "
            f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g}, batch {config.batch_size}, "
            f"{runtime.precision} on {runtime.device}"
        )
        history, _ = train_model(model, parts[0], parts[1], config, runtime)
        train_seconds = time.monotonic() - begun + checkpointer.seconds_before
        _save(model, files, method, folder / "model")
        saved = _load(folder / "model", files, method)
        prove_saved(model, saved, Excerpt(parts[2], _CHECKED_TEXTS), 1 << 12, runtime)
        history.write(folder)
        with drawing("loss.png"):
            history.draw(folder)
        metrics = _measure(model, split, parts[2], vocabulary, budget, runtime)
        metrics |= _write_answers(folder, model, split.test, files)
        write_json(folder / "metrics.json", metrics)
        columns = ["--task", "generate", f"--target-column={task.target_column}", "--method", method]
        facts = {
            "method": method,
            "task": "generate",
            "asked": asked,
            "command": request.command("finetune", *columns),
            "started": started.isoformat(timespec="seconds"),
            "seed": request.train.seed,
            "versions": versions(),
            "hardware": hardware(),
            "data": {
                "path": str(request.data),
                "sha256": file_sha256(local_file(request.data)),
                "parts": {"train": rows, "validation": len(split.validation), "test": len(split.test)},
                "left_training": split.left_training,
                "left_validation": split.left_validation,
                "truncated": sum(part.truncated for part in parts),
            },
            "backbone": files.facts(),
            "choices": {**{name: getattr(config, name) for name in ("learning_rate", "epochs", "batch_size")}},
            "trainable_parameters": trained,
            "train_seconds": round(train_seconds, 3),
            "peak_memory_bytes": peak_memory_bytes(),
            "seconds": round(time.monotonic() - clock, 3),
        }
        write_json(folder / "run.json", facts)
    return Answering(target, read_metrics(target, LanguageModelFacts))


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
    if method == "full":
        model.save_pretrained(folder)
    else:
        save_adapter(model, folder)
    copy_tokenizer(files, folder)
    write_state(folder, {"behind_prompt": BEHIND_PROMPT, **describe_base(files)}, {})


def _load(folder: Path, files: BackboneFiles, method: str) -> Any:
    """The inverse of `_save`."""
    if method == "full":
        return saved_model(BackboneFiles(folder, str(folder), None, files.trust_remote_code), "clm")
    return load_adapter(saved_model(files, "clm"), folder)


def _measure(
    model: Any, split: Split, test: Answers, vocabulary: Vocabulary, budget: int, runtime: Runtime
) -> dict[str, Any]:
    figures = evaluate(model, test, budget, runtime)
    tokens = int((test.lengths - test.begins).sum())
    said = sum(len(vocabulary.seen(str(answer)).encode()) for answer in split.test.labels)
    return measures("clm", figures.loss, figures.accuracy, tokens, said).named()


def _write_answers(folder: Path, model: Any, test: Examples, base: BackboneFiles) -> dict[str, Any]:
    """Write `predictions.csv`: what the model answers to the first test prompts, always the likeliest word."""
    rows = list(zip(test.rows, test.texts, test.labels, strict=True))[:_WRITTEN_ROWS]
    settings = WritingSettings(max_new_tokens=_LONGEST_ANSWER, temperature=0.0)
    files = replace(base, folder=folder / "model")
    said = [continue_text(model, files, prompt + BEHIND_PROMPT, settings)[0].strip() for _, prompt, _ in rows]
    right = sum(one == str(answer).strip() for one, (_, _, answer) in zip(said, rows, strict=True))
    columns = ("row", "prompt", "answer", "prediction")
    found = (dict(zip(columns, (*row, one), strict=True)) for row, one in zip(rows, said, strict=True))
    save_rows(folder / "predictions.csv", columns, found)
    return {"exact_match": right / len(rows), "exact_match_rows": len(rows)}
