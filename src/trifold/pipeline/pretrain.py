"""Pretraining as a whole command: text to blocks, train, save, prove that what was saved is what was trained."""

import shlex
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.run_folder import choose_folder, new_folder, write_json
from trifold.artifact.run_record import LanguageModelFacts, read_metrics, read_run_record
from trifold.data.hub import stay_offline
from trifold.drawing import drawing
from trifold.errors import BackboneError, SettingsError, require
from trifold.evaluate.pretraining_report import write_pretraining_report
from trifold.events import say
from trifold.formatting import counted
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import find_backbone
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.pipeline.request import as_argument, flags_of, unchanged, versions
from trifold.pipeline.resume import NO_SAY, finished, model_hashes, plain
from trifold.pretrain.corpus import Corpus, Part, open_corpus
from trifold.pretrain.language_models import head_objective, language_model, new_model, require_fit
from trifold.pretrain.masking import Masking
from trifold.pretrain.new_tokenizer import new_tokenizer
from trifold.pretrain.objectives import Excerpt, objectives, prove_saved
from trifold.pretrain.packing import Blocks, pack
from trifold.pretrain.perplexity import measures
from trifold.pretrain.sample_texts import samples
from trifold.pretrain.settings import CorpusSettings, LearningSettings, ObjectiveName, ScratchSettings, SourceSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents
from trifold.pretrain.training_length import kept, kept_budget, settle, trained_tokens
from trifold.runtime import Runtime, choose, hardware, peak_memory_bytes, prepare, seed_everything
from trifold.train.checkpoint import checkpointing
from trifold.train.config import TrainingConfig
from trifold.train.loop import train as train_model
from trifold.train.objective import Objective, ValidationFigures
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import reporting

# A new model wants a high rate, a new head on a trained body half of it, and what has learned to speak a low one.
_NEW_MODEL_RATE, _NEW_HEAD_RATE, _GOING_ON_RATE = 1e-3, 5e-4, 1e-4
_BATCH_SIZE = 16
_CHECKED_BLOCKS = 4
# Of the tokens, beyond which nothing is there to be learned.
_MOST_UNKNOWN = 0.9


@dataclass(frozen=True)
class PretrainRequest:
    """Texts and every setting that has a say in what is learned from them.

    Attributes:
        sources: Files, folders or data sets of the hub.
        objective: Masked or next words.
        corpus: How the text is read and packed.
        source: Which model, and how it is run.
        scratch: Whether it is a new one.
        learning: What is learned, and for how long.
    """

    sources: tuple[Path, ...]
    objective: ObjectiveName = "mlm"
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    source: SourceSettings = field(default_factory=SourceSettings)
    scratch: ScratchSettings = field(default_factory=ScratchSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)

    def command(self) -> str:
        """The command line that makes the same request."""
        groups = (self.corpus, self.source, self.scratch, self.learning)
        flags = [flag for group in groups for flag in flags_of(group)]
        texts = [as_argument(source) for source in self.sources]
        return shlex.join(["trifold", "pretrain", *texts, "--objective", self.objective, *flags])

    def asked(self) -> dict[str, Any]:
        """What decides on the model: files by their bytes, and every setting that has a say."""
        groups = (self.corpus, self.source, self.scratch, self.learning)
        settings = {name: value for group in groups for name, value in vars(group).items() if name not in NO_SAY}
        model = {"model_sha256": model_hashes(self.source.model)}
        text = {"text_sha256": Documents(self.sources, self.corpus).address()}
        return plain({"method": "pretrain", "objective": self.objective, **settings, **model, **text})


@dataclass(frozen=True)
class Pretrained:
    """What `pretrain` made.

    Attributes:
        folder: The run folder; `model/` in it is an ordinary Hugging Face folder.
        metrics: Content of `metrics.json`.
        facts: Content of `run.json`.
    """

    folder: Path
    metrics: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Pretrained":
        """A finished run."""
        return cls(folder, read_metrics(folder, LanguageModelFacts), read_run_record(folder))


@dataclass(frozen=True)
class _Text:
    """The text, ready to be learned from."""

    files: BackboneFiles
    vocabulary: Vocabulary
    corpus: Corpus
    parts: tuple[Part, Part]
    blocks: tuple[Blocks, Blocks]


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
    started, clock = datetime.now(UTC), time.monotonic()
    keep = keep or CheckpointSettings()
    if done := finished(output_dir, request.asked, resume=keep.resume):
        return Pretrained.read(done)
    target = choose_folder(output_dir, request.objective, resume=keep.resume)
    _require_used(request)
    if request.source.offline:
        stay_offline()
    with unchanged((*Documents(request.sources, request.corpus).files, *request.corpus.exclude)):
        text = _read(request)
        asked = request.asked()
    prepare()
    runtime = choose(request.source.device, request.source.precision)
    with (
        new_folder(target) as folder,
        reporting(request.learning.report_to, target.name, {"command": request.command()}),
        checkpointing(target / STATE, keep.save_steps, keep.save_minutes, asked) as checkpointer,
    ):
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
        budget = kept_budget(target / STATE) or settle(request.learning, model, parts, base, runtime)
        config = budget.config(base, parts[0], request.learning.validations)
        _announce(request, text, model, config, runtime)
        seed_everything(request.learning.seed)
        with kept(budget, target / STATE):
            history, figures = train_model(model, parts[0], parts[1], config, runtime)
        train_seconds = time.monotonic() - begun + checkpointer.seconds_before
        peak = peak_memory_bytes()
        _save(model, text.files, folder / "model")
        saved = BackboneFiles(folder / "model", str(folder / "model"), None, text.files.trust_remote_code)
        reloaded = language_model(saved, request.objective)
        prove_saved(model, reloaded, Excerpt(parts[1], _CHECKED_BLOCKS), runtime.token_budget, runtime)
        history.write(folder)
        metrics = _metrics(request.objective, figures, text)
        write_json(folder / "metrics.json", metrics)
        facts = {
            "method": "pretrain",
            "objective": request.objective,
            "command": request.command(),
            "asked": asked,
            "started": started.isoformat(timespec="seconds"),
            "seed": request.learning.seed,
            "versions": versions(),
            "hardware": hardware(),
            "data": _data_facts(request, text),
            "backbone": None
            if request.scratch.from_scratch
            else {**text.files.facts(), "head": head_objective(text.files)},
            "budget": vars(budget),
            "choices": _choices(config, runtime, text, history.best_epoch),
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "trained_tokens": trained_tokens(history.rows[-1].step, config.batch_size, parts[0]),
            "train_seconds": round(train_seconds, 3),
            "peak_memory_bytes": peak,
            "samples": samples(model, text.vocabulary, text.blocks[1], saved),
        }
        facts["seconds"] = round(time.monotonic() - clock, 3)
        write_json(folder / "run.json", facts)
    made = Pretrained.read(target)
    with drawing("loss.png"):
        history.draw(target)
    with drawing("report.html"):
        write_pretraining_report(target, made.metrics, made.facts)
    write_manifest(target)
    return made


def _require_used(request: PretrainRequest) -> None:
    """Refuse what would change nothing.

    Raises:
        SettingsError: If something is named that goes with another choice.
    """
    source, scratch, learning = request.source, request.scratch, request.learning
    if scratch.from_scratch:
        named = [name for name in ("model", "revision") if getattr(source, name) != getattr(SourceSettings, name)]
        way_out = "a new model has none to go on from, leave one of them out"
        require(not named, f"--{' and --'.join(named)} with --from-scratch", way_out)
    else:
        require(scratch == ScratchSettings(), " ".join(flags_of(scratch)), "it goes with --from-scratch")
    if request.objective == "clm":
        share = learning.mlm_probability
        require(share == LearningSettings.mlm_probability, f"--mlm-probability {share}", "it goes with --objective mlm")
    bytewise = scratch.algorithm(request.objective) == "bpe"
    require(not (scratch.lowercase and bytewise), "--lowercase", "it goes with --tokenizer wordpiece")


def _read(request: PretrainRequest) -> _Text:
    documents = Documents(request.sources, request.corpus)
    if request.scratch.from_scratch:
        algorithm = request.scratch.algorithm(request.objective)
        if request.objective == "mlm" and algorithm == "bpe":
            raise SettingsError("--tokenizer bpe goes with --objective clm: for mlm leave it out, or give wordpiece")
        files = BackboneFiles(new_tokenizer(documents, algorithm, request.scratch), "a new model", None)
    else:
        files = find_backbone(request.source)
        # Before hours of text are tokenised for nothing.
        require_fit(files, request.objective, request.corpus.block_size)
    vocabulary = Vocabulary.of(files, request.objective)
    corpus = open_corpus(documents, vocabulary)
    tokens, unknown = int(corpus.facts["tokens"]), int(corpus.facts["unknown"])
    if unknown > _MOST_UNKNOWN * tokens:
        raise BackboneError(
            f"the tokenizer of {files.name} does not know {unknown:,} of the text's {tokens:,} tokens: give a --model "
            "for its language, or --from-scratch"
        )
    parts = corpus.split(request.corpus)
    return _Text(files, vocabulary, corpus, parts, pack(corpus, parts, vocabulary, request.corpus.block_size))


def _model(request: PretrainRequest, text: _Text) -> Any:
    seed_everything(request.learning.seed)
    size = request.corpus.block_size
    if request.scratch.from_scratch:
        return new_model(text.vocabulary, request.objective, request.scratch, size)
    return language_model(text.files, request.objective)


def _objectives(request: PretrainRequest, text: _Text, runtime: Runtime) -> tuple[Objective, Objective]:
    probability = request.learning.mlm_probability
    masking = Masking(text.vocabulary, probability) if request.objective == "mlm" else None
    measuring = replace(masking, always_mask=True) if masking else None
    return objectives(text.blocks, masking, measuring, runtime.device, request.learning.seed)


def _default_rate(request: PretrainRequest, files: BackboneFiles) -> float:
    if request.scratch.from_scratch:
        return _NEW_MODEL_RATE
    return _GOING_ON_RATE if head_objective(files) else _NEW_HEAD_RATE


def _announce(request: PretrainRequest, text: _Text, model: Any, config: TrainingConfig, runtime: Runtime) -> None:
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
    say(
        f"{request.objective}: training {parameters:,} parameters of {text.files.name} for "
        f"{config.total_steps:,} steps of {config.batch_size} blocks, learning rate {config.learning_rate:g}, "
        f"{runtime.precision} on {runtime.device}"
    )


def _save(model: Any, files: BackboneFiles, folder: Path) -> None:
    from transformers import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    copy_tokenizer(files, folder)
    pooling = files.folder / "1_Pooling" / "config.json"
    if pooling.exists():
        # A sentence encoder's mean stays the vector to start a classifier from (docs/decisions/0010).
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_bytes(pooling.read_bytes())


def _metrics(objective: ObjectiveName, figures: ValidationFigures, text: _Text) -> dict[str, object]:
    part = text.parts[1]
    found = measures(objective, figures.loss, figures.accuracy, part.tokens, part.seen_bytes)
    facts = text.corpus.facts
    return {**found.named(), "unknown_share": int(facts["unknown"]) / int(facts["tokens"])}


def _data_facts(request: PretrainRequest, text: _Text) -> dict[str, object]:
    return {
        "path": ", ".join(str(source) for source in request.sources),
        "exclude": [str(path) for path in request.corpus.exclude],
        **text.corpus.facts,
        "training_blocks": len(text.blocks[0]),
        "validation_blocks": len(text.blocks[1]),
    }


def _choices(config: TrainingConfig, runtime: Runtime, text: _Text, best_epoch: float) -> dict[str, object]:
    return {
        "learning_rate": config.learning_rate,
        "batch_size": config.batch_size,
        "block_size": text.blocks[0].size,
        "steps": config.total_steps,
        "best_epoch": round(best_epoch, 3),
        "precision": runtime.precision,
    }
