"""Verbs on language models: `pretrain`, `fill-mask`, `generate`, `perplexity`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.output import print_json, print_piece, print_run, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import TextSettings
from trifold.errors import SettingsError, require
from trifold.models.settings import ComputeSettings
from trifold.pretrain.settings import (
    CorpusSettings,
    LearningSettings,
    ObjectiveName,
    ScratchSettings,
    SourceSettings,
    WritingSettings,
)
from trifold.train.settings import CheckpointSettings


def pretrain(
    *text: Path,
    objective: ObjectiveName = "mlm",
    show: str | None = None,
    corpus: Annotated[CorpusSettings | None, Parameter(name="*")] = None,
    source: Annotated[SourceSettings | None, Parameter(name="*")] = None,
    scratch: Annotated[ScratchSettings | None, Parameter(name="*")] = None,
    learning: Annotated[LearningSettings | None, Parameter(name="*")] = None,
    keep: Annotated[CheckpointSettings | None, Parameter(name="*")] = None,
    output_dir: Path | None = None,
    json: bool = False,
) -> None:
    """Learn from unlabelled text: hidden words from both sides, or next words; the last line is the run folder.

    Args:
        text: Files (.txt, or CSV, TSV, JSONL, Parquet with a column of texts), folders of them, or hf:NAME.
        objective: mlm hides words and names them (encoders); clm names each next word (decoders).
        show: Train nothing; show the training pairs that both objectives make of this text.
        output_dir: Folder for the results; runs/DATE-OBJECTIVE by default.
        json: Print JSON instead.
    """
    learning, source = learning or LearningSettings(), source or SourceSettings()
    if show is not None:
        others = [*text, *filter(None, (corpus, scratch, keep, output_dir))]
        require(not others, "--show with a text, or with flags on one", "it trains nothing, leave one of them out")
        _show(show, learning, source, json=json)
        return
    if not text:
        raise SettingsError("pretrain needs text: trifold pretrain TEXT.txt, a table, a folder, or --show 'a sentence'")
    if keep and keep.resume and output_dir is None:
        raise SettingsError("--resume needs the --output-dir of the training that is to go on")
    from trifold.evaluate.pretraining_report import figures_in_words
    from trifold.pipeline.pretrain import pretrain as run_pretrain
    from trifold.pipeline.pretrain_request import PretrainRequest

    request = PretrainRequest(
        text, objective, corpus or CorpusSettings(), source, scratch or ScratchSettings(), learning
    )
    made = run_pretrain(request, output_dir, keep)
    if json:
        print_json({"run": str(made.folder), "metrics": made.metrics})
        return
    for name, value in figures_in_words(made.metrics).items():
        print(f"{name:<28}  {value}")
    print_run(made.folder)
    if objective == "mlm":
        say_next("fill-mask", made.folder, "The film was [MASK].")
    else:
        say_next("generate", made.folder, "Once upon a time")


def _show(text: str, learning: LearningSettings, source: SourceSettings, *, json: bool) -> None:
    require(bool(text.strip()), "--show ''", "give a sentence")
    from trifold.pipeline.language_model import show_pairs

    pairs = show_pairs(source, text, learning.mlm_probability, learning.seed)
    if json:
        print_json(pairs)
        return
    print("Next words (clm): each word from those before it\n")
    _print_pairs([(pair.given, pair.target) for pair in pairs.next_words])
    print("\nMasked words (mlm): each word from those on both sides\n")
    _print_pairs([(pair.given, pair.target) for pair in pairs.masked_words])
    share = 100 * learning.mlm_probability
    print(
        f"\nOne draw as training makes it, of {share:g} % of the words: their tokens are masked, one in ten replaced,"
    )
    print("and one in ten kept\n")
    print(f"  {pairs.drawn.given}")
    for token, fate in pairs.drawn.targets:
        print(f"  to name: {token} ({fate})")
    if not pairs.drawn.targets:
        print("  no word was drawn this time; another --seed draws others")
    say_next("pretrain", "TEXT.txt")


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    if not pairs:
        print("  none: the text is a single word")
        return
    print_table([{"the model reads": f"  {given}", "it is to name": target} for given, target in pairs], left_aligned=2)


def fill_mask(
    model: str,
    text: str,
    /,
    *,
    top_k: int = 5,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Name the words hidden behind [MASK].

    Args:
        model: A masked language model: a run folder of pretrain, a folder, or a hub id.
        text: A text with [MASK] in place of one or more words.
        top_k: Number of words that are named for each [MASK].
        json: Print JSON instead.
    """
    require(top_k > 0, f"--top-k {top_k}", "give 1 or more")
    _require_one_pass(compute)
    from trifold.pipeline.language_model import fill

    found = fill(model, text, top_k, compute or ComputeSettings())
    if json:
        print_json(found)
        return
    for number, guesses in enumerate(found):
        if number:
            print()
        for guess in guesses:
            print(f"{guess.score:.3f}  {guess.word:<14}  {guess.text}")
    say_next("compare", "DATA.csv", "--model", f"minilm,{model}")


def generate(
    model: str,
    prompt: str,
    /,
    *,
    writing: Annotated[WritingSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Continue a text.

    Args:
        model: A decoder: gemma-270m, a run folder of pretrain or finetune, a folder, a GGUF file, or a hub id.
        prompt: The text to continue.
        json: Print JSON instead, when everything is written.
    """
    _require_one_pass(compute)
    from trifold.pipeline.language_model import generate as run_generate

    writing = writing or WritingSettings()
    streams = not json and writing.num_return_sequences == 1
    found = run_generate(model, prompt, writing, compute or ComputeSettings(), print_piece if streams else None)
    if json:
        print_json({"prompt": prompt, "texts": found})
    elif not streams:
        for text in found:
            print(text.strip())
            print("---" if text is not found[-1] else "", end="\n" if text is not found[-1] else "")
    say_next("perplexity", model, "TEXT.txt", json=json)


def _require_one_pass(compute: ComputeSettings | None) -> None:
    budget = compute and compute.token_budget
    require(budget is None, f"--token-budget {budget}", "a single text is read at once, leave it out")


def perplexity(
    model: str,
    /,
    *text: Path,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Measure how well a language model predicts a text: perplexity and bits per byte.

    For masked models these are pseudo measures, which compare with other masked models only.

    Args:
        model: A run folder of pretrain, a folder, a GGUF file, or a hub id.
        text: Files, folders of them, or hf:NAME.
        json: Print JSON instead.
    """
    from trifold.evaluate.pretraining_report import figures_in_words
    from trifold.pipeline.language_model import perplexity as measure

    if not text:
        raise SettingsError("perplexity needs text: trifold perplexity MODEL TEXT.txt")
    found = measure(model, text, reading or TextSettings(), compute or ComputeSettings())
    if json:
        print_json(found.named())
        return
    for name, value in figures_in_words(found.named()).items():
        print(f"{name:<28}  {value}")
    print(f"{'tokens':<28}  {found.tokens:,} of {found.bytes:,} bytes")
    say_next("compare", "DATA.csv", "--model", f"minilm,{model}")
