"""Pretraining as a whole command: text to blocks, train, save, prove that what was saved is what was trained."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.metrics_file import METRICS, LanguageModelFacts, read_metrics
from trifold.artifact.run_folder import choose_folder
from trifold.artifact.run_record import RUN, BackboneRecord, PretrainRecord, read_run_record
from trifold.atomic import write_json
from trifold.data.hub import offline_data
from trifold.drawing import drawing
from trifold.errors import ArtifactError
from trifold.evaluate.plots import write_curves
from trifold.evaluate.pretraining_report import write_pretraining_report
from trifold.events import say
from trifold.formatting import counted
from trifold.models.backbone_files import BackboneFiles
from trifold.models.loading import save_model
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pipeline.pretraining_text import PretrainingText, read_text
from trifold.pipeline.request import unchanged
from trifold.pipeline.resume import finished
from trifold.pipeline.training_run import Start, training_run
from trifold.pretrain.language_models import head_objective, language_model, new_model
from trifold.pretrain.masking import Masking
from trifold.pretrain.objectives import Excerpt, objectives, prove_saved
from trifold.pretrain.perplexity import measures
from trifold.pretrain.sample_texts import samples
from trifold.pretrain.settings import ObjectiveName
from trifold.pretrain.text_files import Documents
from trifold.pretrain.training_length import TrainingLength, kept_budget, settle, trained_tokens
from trifold.pretrain.training_length import keep as keep_length
from trifold.pretrain.unigram import why_unlearned
from trifold.runtime import Runtime, choose, hardware, peak_memory_bytes, prepare_own, seed_everything
from trifold.train.checkpoint import Checkpointer
from trifold.train.config import TrainingConfig
from trifold.train.history import History
from trifold.train.loop import train as train_model
from trifold.train.objective import Objective as TrainingObjective
from trifold.train.objective import ValidationFigures
from trifold.train.settings import CheckpointSettings
from trifold.version import versions

# A new model wants a high rate, a new head on a trained body half of it, and what has learned to speak a low one.
_NEW_MODEL_RATE, _NEW_HEAD_RATE, _GOING_ON_RATE = 1e-3, 5e-4, 1e-4
_BATCH_SIZE = 16
_CHECKED_BLOCKS = 4


@dataclass(frozen=True)
class Pretrained:
    """What `pretrain` made.

    Attributes:
        folder: The run folder; `model/` in it is an ordinary Hugging Face folder.
        metrics: Content of `metrics.json`, and the unigram loss beside the loss.
        record: Content of `run.json`.
    """

    folder: Path
    metrics: dict[str, Any]
    record: PretrainRecord

    @classmethod
    def read(cls, folder: Path) -> "Pretrained":
        """A finished run."""
        record = read_run_record(folder)
        if not isinstance(record, PretrainRecord):
            raise ArtifactError(f"{folder / RUN} is not that of a pretraining: name another --output-dir")
        beside = {} if record.unigram_loss is None else {"unigram_loss": record.unigram_loss}
        return cls(folder, {**read_metrics(folder, LanguageModelFacts), **beside}, record)


def pretrain(
    request: PretrainRequest, output_dir: Path | None = None, keep: CheckpointSettings | None = None
) -> Pretrained:
    """Train on unlabelled text and write a run folder.

    Args:
        request: The text and settings.
        output_dir: Where to; `runs/DATE-OBJECTIVE` where `None`.
        keep: When the state of the training is saved, and whether to go on from one in `output_dir`.

    Raises:
        TrifoldError: If anything given cannot be used; nothing is left behind then.
    """
    start, keep = Start(), keep or CheckpointSettings()
    if done := finished(output_dir, request.asked, resume=keep.resume):
        made = Pretrained.read(done)
        if not all((done / name).is_file() for name in ("loss.png", "report.html")):
            _draw(made)
        return made
    target = choose_folder(output_dir, request.objective, resume=keep.resume)
    request.require_used()
    with (
        offline_data(request.source.offline),
        unchanged((*Documents(request.sources, request.corpus).files, *request.corpus.exclude)),
    ):
        text = read_text(request)
        asked = request.asked()
    prepare_own()
    runtime = choose(request.source.device, request.source.precision)
    told = {"command": request.command()}
    with training_run(target, start, keep, asked, request.learning.report_to, told) as run:
        learned = _learn(request, text, runtime, run.checkpointer, target / STATE)
        saved = _save_and_prove(request, text, learned, runtime, run.folder)
        learned.history.write(run.folder)
        write_json(run.folder / METRICS, _metrics(request.objective, learned.figures, text))
        run.write_record(_record(request, text, learned, runtime, saved))
    made = Pretrained.read(target)
    if note := why_unlearned(made.record.held_out_loss, made.record.unigram_loss):
        say(note)
    _draw(made)
    return made


def _draw(made: Pretrained) -> None:
    """What people look at, as far as it can be made."""
    with drawing("loss.png"):
        write_curves(made.folder)
    with drawing("report.html"):
        write_pretraining_report(made.folder, made.metrics, made.record)
    write_manifest(made.folder)


@dataclass(frozen=True)
class _Learned:
    """A trained model and how it was trained.

    Attributes:
        model: With its head.
        config: Training config of the training loop.
        budget: What the training might spend.
        history: History of the training.
        figures: Figures of the validation that was kept.
        parts: Training and validation.
        seconds: Seconds of the training, in this process and in those before it.
        peak_memory_bytes: Peak memory of this process.
    """

    model: Any
    config: TrainingConfig
    budget: TrainingLength
    history: History
    figures: ValidationFigures
    parts: tuple[TrainingObjective, TrainingObjective]
    seconds: float
    peak_memory_bytes: int


def _learn(
    request: PretrainRequest, text: PretrainingText, runtime: Runtime, checkpointer: Checkpointer, state: Path
) -> _Learned:
    begun = time.monotonic()
    model = _model(request, text).to(runtime.device)
    parts = _objectives(request, text, runtime)
    # All but its steps, which the budget settles.
    base = TrainingConfig.of(
        request.learning,
        learning_rate=_default_rate(request, text.files),
        epochs=1,
        batch_size=_BATCH_SIZE,
        token_budget=request.source.token_budget or runtime.token_budget,
    )
    budget = kept_budget(state) or settle(request.learning, model, parts, base, runtime)
    config = budget.config(base, parts[0], request.learning.validations)
    _announce(request, text, model, config, runtime)
    seed_everything(request.learning.seed)
    keep_length(budget, checkpointer)
    history, figures = train_model(model, parts[0], parts[1], config, runtime)
    seconds = time.monotonic() - begun + checkpointer.seconds_before
    return _Learned(model, config, budget, history, figures, parts, seconds, peak_memory_bytes())


def _save_and_prove(
    request: PretrainRequest, text: PretrainingText, learned: _Learned, runtime: Runtime, folder: Path
) -> BackboneFiles:
    """Save the model, and refuse if the saved one gives other figures."""
    _save(learned.model, text.files, folder / "model")
    saved = BackboneFiles(folder / "model", str(folder / "model"), None, text.files.trust_remote_code)
    reloaded = language_model(saved, request.objective)
    prove_saved(learned.model, reloaded, Excerpt(learned.parts[1], _CHECKED_BLOCKS), runtime.token_budget, runtime)
    return saved


def _record(
    request: PretrainRequest, text: PretrainingText, learned: _Learned, runtime: Runtime, saved: BackboneFiles
) -> PretrainRecord:
    """What `run.json` says, but for the times of the whole command and what was asked for."""
    history, config = learned.history, learned.config
    return PretrainRecord(
        method="pretrain",
        objective=request.objective,
        command=request.command(),
        started="",
        seed=request.learning.seed,
        versions=versions(),
        hardware=hardware(),
        data=_data_facts(request, text),
        backbone=None if request.scratch.from_scratch else BackboneRecord.of(text.files, head_objective(text.files)),
        budget=vars(learned.budget),
        choices=_choices(config, runtime, text, history.best_epoch),
        parameters=sum(weight.numel() for weight in learned.model.parameters()),
        trained_tokens=trained_tokens(history.rows[-1].step, config.batch_size, learned.parts[0]),
        train_seconds=round(learned.seconds, 3),
        peak_memory_bytes=learned.peak_memory_bytes,
        held_out_loss=learned.figures.loss,
        unigram_loss=text.unigram_loss,
        samples=samples(learned.model, text.vocabulary, text.blocks[1], saved),
    )


def _model(request: PretrainRequest, text: PretrainingText) -> Any:
    seed_everything(request.learning.seed)
    size = request.corpus.block_size
    if request.scratch.from_scratch:
        return new_model(text.vocabulary, request.objective, request.scratch, size)
    return language_model(text.files, request.objective)


def _objectives(
    request: PretrainRequest, text: PretrainingText, runtime: Runtime
) -> tuple[TrainingObjective, TrainingObjective]:
    probability = request.learning.mlm_probability
    masking = Masking(text.vocabulary, probability) if request.objective == "mlm" else None
    measuring = replace(masking, always_mask=True) if masking else None
    return objectives(text.blocks, masking, measuring, runtime.device, request.learning.seed)


def _default_rate(request: PretrainRequest, files: BackboneFiles) -> float:
    if request.scratch.from_scratch:
        return _NEW_MODEL_RATE
    return _GOING_ON_RATE if head_objective(files) else _NEW_HEAD_RATE


def _announce(
    request: PretrainRequest, text: PretrainingText, model: Any, config: TrainingConfig, runtime: Runtime
) -> None:
    facts, blocks = text.corpus.facts, text.blocks
    documents, tokens = int(facts["documents"]), int(facts["tokens"])
    say(
        f"{counted(documents, 'document')}, {tokens:,} tokens: {len(blocks[0]):,} blocks of "
        f"{request.corpus.block_size} to train on, {len(blocks[1]):,} to validate on"
    )
    held = text.parts[1]
    if [span.end for span in held.spans] == [tokens]:
        say(f"note: documents are few, so the last {100 * held.tokens / tokens:.0f} % of the text are held out")
    for name, what in (("left_out", "rows cannot be used"), ("excluded", "documents stand in a file to exclude")):
        if facts[name]:
            say(f"note: {facts[name]:,} {what} and are left out")
    parameters = sum(weight.numel() for weight in model.parameters())
    about = "" if config.limit_seconds is None else "about "
    say(
        f"{request.objective}: training {parameters:,} parameters of {text.files.name} for "
        f"{about}{config.total_steps:,} steps of {config.batch_size} blocks, learning rate {config.learning_rate:g}, "
        f"{runtime.precision} on {runtime.device}"
    )


def _save(model: Any, files: BackboneFiles, folder: Path) -> None:
    save_model(model, folder)
    copy_tokenizer(files, folder)
    pooling = files.folder / "1_Pooling" / "config.json"
    if pooling.exists():
        # A sentence encoder's mean stays the vector to start a classifier from (docs/decisions/0010).
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_bytes(pooling.read_bytes())


def _metrics(objective: ObjectiveName, figures: ValidationFigures, text: PretrainingText) -> dict[str, object]:
    part = text.parts[1]
    found = measures(objective, figures.loss, figures.accuracy, part.tokens, part.seen_bytes)
    facts = text.corpus.facts
    return {**found.named(), "unknown_share": int(facts["unknown"]) / int(facts["tokens"])}


def _data_facts(request: PretrainRequest, text: PretrainingText) -> dict[str, object]:
    return {
        "path": ", ".join(str(source) for source in request.sources),
        "exclude": [str(path) for path in request.corpus.exclude],
        **text.corpus.facts,
        "training_blocks": len(text.blocks[0]),
        "validation_blocks": len(text.blocks[1]),
    }


def _choices(config: TrainingConfig, runtime: Runtime, text: PretrainingText, best_epoch: float) -> dict[str, object]:
    return {
        "learning_rate": config.learning_rate,
        "batch_size": config.batch_size,
        "block_size": text.blocks[0].size,
        "steps": config.total_steps,
        "best_epoch": round(best_epoch, 3),
        "precision": runtime.precision,
    }
