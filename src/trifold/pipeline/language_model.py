"""Verbs that let a language model speak: hidden words, next words, and how well it knows a file."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trifold.artifact.arrays import read_state
from trifold.artifact.hub_runs import run_on_hub
from trifold.artifact.manifest import verify_model
from trifold.artifact.run_record import RUN, PretrainRecord, RunRecord, read_run_record
from trifold.data.hub import offline_data
from trifold.data.settings import TextSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.models.answer_length import why_empty
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.locate import find_backbone, find_base, locate
from trifold.models.lora import ADAPTER_CONFIG, load_adapter
from trifold.models.settings import ComputeSettings
from trifold.pretrain.corpus import Corpus, Part, Span, open_corpus
from trifold.pretrain.fill_mask import Guess, fill_mask
from trifold.pretrain.generation import continue_text
from trifold.pretrain.language_models import head_objective, require_head, saved_model
from trifold.pretrain.masking import Masking
from trifold.pretrain.objectives import objectives
from trifold.pretrain.packing import Blocks
from trifold.pretrain.perplexity import Measures, measures
from trifold.pretrain.settings import CorpusSettings, ObjectiveName, SourceSettings, WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents
from trifold.pretrain.training_pairs import TrainingPairs, training_pairs
from trifold.pretrain.unigram import why_unlearned
from trifold.runtime import Runtime, choose, prepare_own
from trifold.train.objective import evaluate

_LONGEST_BLOCK = 1_024
_MASK_SEED = 42


@dataclass(frozen=True)
class LanguageModel:
    """A language model, opened.

    Attributes:
        model: With its head.
        files: Where its tokenizer is.
        runtime: Where it computes.
        behind_prompt: What stood behind every prompt when the model learned to answer; else nothing.
        note: What is to be said of all that it says; `None` for nothing.
    """

    model: Any
    files: BackboneFiles
    runtime: Runtime
    behind_prompt: str = ""
    note: str | None = None


def open_language_model(
    model: str, objective: ObjectiveName | None, compute: ComputeSettings
) -> tuple[LanguageModel, ObjectiveName]:
    """Open a model by name, folder or run folder.

    Args:
        model: As the user named it.
        objective: What it must be made for; whatever it is where `None`.
        compute: How to run it.

    Raises:
        TrifoldError: If it is nowhere, damaged, or has no head for that.
    """
    published = run_on_hub(model, offline=compute.offline)
    folder, note = published or Path(model), None
    # os.path.isdir returns False for a name that cannot be a path, where Path.is_dir raises.
    is_folder = os.path.isdir(folder)
    if is_folder and (folder / RUN).is_file():
        note = _note_on(read_run_record(folder))
        verify_model(folder)
        folder = folder / "model"
    prepare_own()
    runtime = choose(compute.device, compute.precision)
    saved: dict[str, Any] = read_state(folder)[0] if is_folder and (folder / "head.json").is_file() else {}
    behind = str(saved.get("behind_prompt", ""))
    if "behind_prompt" in saved and (folder / ADAPTER_CONFIG).is_file():
        base = find_base(saved, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        adapted = load_adapter(saved_model(base, "clm"), folder)
        return LanguageModel(
            adapted.to(runtime.device), BackboneFiles(folder, model, None, compute.trust_remote_code), runtime, behind
        ), "clm"
    name = model if published is None else str(published)
    files = locate(name, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
    files = replace(files, name=model)
    wanted = objective or head_objective(files) or "mlm"
    require_head(files, wanted)
    return LanguageModel(saved_model(files, wanted).to(runtime.device), files, runtime, behind, note), wanted


def _note_on(record: RunRecord) -> str | None:
    if not isinstance(record, PretrainRecord):
        return None
    return why_unlearned(record.held_out_loss, record.unigram_loss)


def fill(model: str, text: str, top_k: int, compute: ComputeSettings) -> list[list[Guess]]:
    """The likeliest words at each `[MASK]` of a text."""
    language_model, _ = open_language_model(model, "mlm", compute)
    with language_model.runtime.autocast():
        found = fill_mask(language_model.model, Vocabulary.of(language_model.files, "mlm"), text, top_k)
    if language_model.note:
        say(language_model.note)
    return found


def generate(
    model: str, prompt: str, settings: WritingSettings, compute: ComputeSettings, show: Callable[[str], None] | None
) -> list[str]:
    """Texts that go on with a prompt; why one is empty is said, after `show` got the line's end."""
    language_model, _ = open_language_model(model, "clm", compute)
    with language_model.runtime.autocast():
        found = continue_text(
            language_model.model, language_model.files, prompt + language_model.behind_prompt, settings, show
        )
    if show:
        show("\n")
    if language_model.note:
        say(language_model.note)
    for one in found:
        if not one.text.strip():
            say(why_empty(one.text, one.tokens, one.max_tokens, "--max-new-tokens", stopped=one.stopped))
    return [one.text for one in found]


def show_pairs(source: SourceSettings, text: str, probability: float, seed: int) -> TrainingPairs:
    """The training pairs that each objective makes of a text, cut by a masked model's tokenizer."""
    return training_pairs(Vocabulary.of(find_backbone(source), "mlm"), text, probability, seed)


def perplexity(model: str, sources: Sequence[Path], reading: TextSettings, compute: ComputeSettings) -> Measures:
    """How well a model knows the text of some files; each block is read without the one before.

    Raises:
        TrifoldError: If model or text cannot be used.
    """
    language_model, objective = open_language_model(model, None, compute)
    vocabulary = Vocabulary.of(language_model.files, objective)
    with offline_data(compute.offline):
        corpus = open_corpus(Documents(sources, CorpusSettings(**vars(reading))), vocabulary)
    places = context_length(read_config(language_model.files))
    size = min(_LONGEST_BLOCK, places if places is not None else _LONGEST_BLOCK)
    whole = Part((Span(0, len(corpus.tokens)),), int(corpus.piece_bytes.sum()))
    losses = [_mean_loss(language_model, blocks, compute) for blocks in _covering(corpus, vocabulary, size)]
    predicted = sum(count for _, _, count in losses)
    if not predicted:
        raise DataError(f"{sources[0]} has {len(corpus.tokens)} tokens, too few to predict any: give more text")
    loss, right = (sum(one[part] * one[2] for one in losses) / predicted for part in (0, 1))
    return measures(objective, loss, right, whole.tokens, whole.seen_bytes)


def _covering(corpus: Corpus, vocabulary: Vocabulary, size: int) -> list[Blocks]:
    """Full blocks, and a shorter one for the rest."""
    tokens = len(corpus.tokens)
    full = Blocks.of(corpus, Part((Span(0, tokens),), 0), vocabulary, size)
    begin = len(full) * full.payload
    rest = Blocks.of(corpus, Part((Span(begin, tokens),), 0), vocabulary, size)
    rest = replace(rest, payload=max(1, tokens - begin - rest.overlap))
    return [blocks for blocks in (full, rest) if len(blocks)]


def _mean_loss(language_model: LanguageModel, blocks: Blocks, compute: ComputeSettings) -> tuple[float, float, int]:
    """Loss, accuracy, and how much text they stand for."""
    vocabulary = Vocabulary.of(language_model.files, "clm" if blocks.overlap else "mlm")
    masking = None if blocks.overlap else Masking(vocabulary, 0.15, always_mask=True)
    _, part = objectives((blocks, blocks), masking, masking, language_model.runtime.device, _MASK_SEED)
    figures = evaluate(
        language_model.model, part, compute.token_budget or language_model.runtime.token_budget, language_model.runtime
    )
    return figures.loss, figures.accuracy, len(blocks) * blocks.payload
