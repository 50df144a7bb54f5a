"""Verbs that let a language model speak: hidden words, next words, and how well it knows a file."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trifold.artifact.arrays import read_state
from trifold.artifact.manifest import verify_model
from trifold.artifact.records import RUN, read_run
from trifold.backbone.locate import BackboneFiles, find_backbone, find_base, locate
from trifold.backbone.lora import ADAPTER_CONFIG, load_adapter
from trifold.backbone.settings import ComputeSettings
from trifold.backbone.tokens import places_of
from trifold.data.hub import stay_offline
from trifold.data.settings import TextSettings
from trifold.errors import DataError
from trifold.pretrain.blocks import Blocks
from trifold.pretrain.corpus import Corpus, Part, Span, open_corpus
from trifold.pretrain.documents import Documents
from trifold.pretrain.fill import Guess, fill_mask
from trifold.pretrain.heads import require_head, saved_model, speaks
from trifold.pretrain.masking import Masking
from trifold.pretrain.measures import Measures, measures
from trifold.pretrain.objectives import objectives
from trifold.pretrain.settings import CorpusSettings, Objective, SourceSettings, WritingSettings
from trifold.pretrain.show import Pairs, training_pairs
from trifold.pretrain.specials import Vocabulary
from trifold.pretrain.writing import write
from trifold.runtime import Runtime, choose, prepare
from trifold.train.objective import evaluate

_LONGEST_BLOCK = 1_024
_MASK_SEED = 42


@dataclass(frozen=True)
class Speaker:
    """A language model, opened.

    Attributes:
        model: With its head.
        files: Where its tokenizer is.
        runtime: Where it computes.
        behind_prompt: What stood behind every prompt when the model learned to answer; else nothing.
    """

    model: Any
    files: BackboneFiles
    runtime: Runtime
    behind_prompt: str = ""


def open_speaker(model: str, objective: Objective | None, compute: ComputeSettings) -> tuple[Speaker, Objective]:
    """Open a model by name, folder or run folder.

    Args:
        model: As the user named it.
        objective: What it must be made for; whatever it is where `None`.
        compute: How to run it.

    Raises:
        TrifoldError: If it is nowhere, damaged, or has no head for that.
    """
    folder = Path(model)
    # Of a name that is no path at all, this says no; pathlib's fails.
    is_folder = os.path.isdir(folder)
    if is_folder and (folder / RUN).is_file():
        read_run(folder)
        verify_model(folder)
        folder = folder / "model"
    prepare()
    runtime = choose(compute.device, compute.precision)
    saved: dict[str, Any] = read_state(folder)[0] if is_folder and (folder / "head.json").is_file() else {}
    behind = str(saved.get("behind_prompt", ""))
    if "behind_prompt" in saved and (folder / ADAPTER_CONFIG).is_file():
        base = find_base(saved, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        adapted = load_adapter(saved_model(base, "clm"), folder)
        return Speaker(
            adapted.to(runtime.device), BackboneFiles(folder, model, None, compute.trust_remote_code), runtime, behind
        ), "clm"
    files = locate(model, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
    files = replace(files, name=model)
    wanted = objective or speaks(files) or "mlm"
    require_head(files, wanted)
    return Speaker(saved_model(files, wanted).to(runtime.device), files, runtime, behind), wanted


def fill(model: str, text: str, top_k: int, compute: ComputeSettings) -> list[list[Guess]]:
    """The likeliest words at each `[MASK]` of a text."""
    speaker, _ = open_speaker(model, "mlm", compute)
    with speaker.runtime.autocast():
        return fill_mask(speaker.model, Vocabulary.of(speaker.files, "mlm"), text, top_k)


def generate(
    model: str, prompt: str, settings: WritingSettings, compute: ComputeSettings, show: Callable[[str], None] | None
) -> list[str]:
    """Texts that go on with a prompt."""
    speaker, _ = open_speaker(model, "clm", compute)
    with speaker.runtime.autocast():
        return write(speaker.model, speaker.files, prompt + speaker.behind_prompt, settings, show)


def show_pairs(source: SourceSettings, text: str, probability: float, seed: int) -> Pairs:
    """The training pairs that each objective makes of a text, cut by a masked model's tokenizer."""
    return training_pairs(Vocabulary.of(find_backbone(source), "mlm"), text, probability, seed)


def perplexity(model: str, sources: Sequence[Path], reading: TextSettings, compute: ComputeSettings) -> Measures:
    """How well a model knows the text of some files; each block is read without the one before.

    Raises:
        TrifoldError: If model or text cannot be used.
    """
    if compute.offline:
        stay_offline()
    speaker, objective = open_speaker(model, None, compute)
    vocabulary = Vocabulary.of(speaker.files, objective)
    corpus = open_corpus(Documents(sources, CorpusSettings(**vars(reading))), vocabulary)
    places = places_of(speaker.files)
    size = min(_LONGEST_BLOCK, places if places is not None else _LONGEST_BLOCK)
    whole = Part((Span(0, len(corpus.tokens)),), int(corpus.piece_bytes.sum()))
    losses = [_mean_loss(speaker, blocks, compute) for blocks in _covering(corpus, vocabulary, size)]
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


def _mean_loss(speaker: Speaker, blocks: Blocks, compute: ComputeSettings) -> tuple[float, float, int]:
    """Loss, accuracy, and how much text they stand for."""
    vocabulary = Vocabulary.of(speaker.files, "clm" if blocks.overlap else "mlm")
    masking = None if blocks.overlap else Masking(vocabulary, 0.15, always_mask=True)
    _, part = objectives((blocks, blocks), masking, masking, speaker.runtime.device, _MASK_SEED)
    figures = evaluate(speaker.model, part, compute.token_budget or speaker.runtime.token_budget, speaker.runtime)
    return figures.loss, figures.accuracy, len(blocks) * blocks.payload
