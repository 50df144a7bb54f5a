"""Every command that meets a damaged input, with what it writes and what that must hold."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soak.originals import COMPARING, STOPPED, Originals

LOADER = Path(__file__).with_name("load_classifier.py")
_TEXT = "The film is superb, the plot charming."
_FLAGS = ("--max-length", 32, "--epochs", 1)
_SHORT = ("--block-size", 32, "--documents", "line", "--epochs", 1, "--batch-size", 8, "--validations", 1)


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        words: `trifold` or a Python script, and the arguments.
        output: The file or folder that it writes; `None` for none.
        writes_rows: Whether the output has a row for each of the data file's.
        usage: Whether what is wrong may be refused by the parser of arguments, which draws a box.
        keeps: Whether a command that is refused may leave its output behind: what was paid for is not thrown away.
    """

    words: tuple[str, ...]
    output: Path | None = None
    writes_rows: bool = False
    usage: bool = False
    keeps: bool = False


@dataclass(frozen=True)
class Place:
    """Where a trial finds its things.

    Attributes:
        folder: Its own.
        originals: What is intact.
        server: Base URL of the server that arguments may name.
        other: Base URL of a server that nobody may ever talk to.
    """

    folder: Path
    originals: Originals
    server: str
    other: str

    @property
    def log(self) -> tuple[object, ...]:
        return "--log", self.folder / "log.sqlite"


# From a generator, a place and the damaged thing to a command.
Make = Callable[[random.Random, Place, Path], Command]


def _trifold(*words: object, output: Path | None = None, **others: bool) -> Command:
    return Command(("trifold", *map(str, words)), output, **others)


def _json(rng: random.Random) -> tuple[str, ...]:
    return ("--json",) if rng.random() < 0.4 else ()


def _offline(rng: random.Random) -> tuple[str, ...]:
    return ("--offline",) if rng.random() < 0.5 else ()


def _columns(rng: random.Random) -> tuple[str, ...]:
    return ("--text-column", "text", "--label-column", "label") if rng.random() < 0.4 else ()


def _check(rng: random.Random, place: Place, data: Path) -> Command:
    return _trifold("check", data, "--model", place.originals.encoder, *_columns(rng), *_json(rng))


def _predict_file(rng: random.Random, place: Place, data: Path) -> Command:
    run, output = (
        place.originals.runs[rng.choice(("tfidf", "tfidf", "features", "exported"))],
        place.folder / "labelled.csv",
    )
    return _trifold("predict", run, data, *_columns(rng)[:2], "--output", output, output=output, writes_rows=True)


def _evaluate_file(rng: random.Random, place: Place, data: Path) -> Command:
    return _trifold("evaluate", place.originals.runs["tfidf"], data, *_columns(rng), *_json(rng))


def _finetune_file(rng: random.Random, place: Place, data: Path) -> Command:
    run = place.folder / "run"
    flags = (*_columns(rng), *_json(rng), *(("--merge-labels",) if rng.random() < 0.3 else ()))
    return _trifold("finetune", data, "--method", "tfidf", *flags, "--output-dir", run, output=run)


def _second_file(rng: random.Random, place: Place, data: Path) -> Command:
    run, flag = place.folder / "run", rng.choice(("--test-file", "--validation-file"))
    return _trifold(
        "finetune", place.originals.others, flag, data, "--method", "tfidf", "--output-dir", run, output=run
    )


def _embed_file(rng: random.Random, place: Place, data: Path) -> Command:
    output = place.folder / rng.choice(("vectors.npy", "vectors.parquet"))
    return _trifold(
        "embed", place.originals.encoder, data, "--output", output, *_json(rng), output=output, writes_rows=True
    )


def _label_file(rng: random.Random, place: Place, data: Path) -> Command:
    output, flags = place.folder / "labelled.csv", ("--prompt", place.originals.prompt, *place.log, *_json(rng))
    llm = ("--llm", f"hf:{place.originals.decoder}")
    return _trifold(
        "label",
        data,
        "--label-as",
        "said",
        *llm,
        *flags,
        "--output",
        output,
        output=output,
        writes_rows=True,
        keeps=True,
    )


def _perplexity_file(rng: random.Random, place: Place, data: Path) -> Command:
    return _trifold("perplexity", place.originals.language_models[rng.choice(("mlm", "clm"))], data, *_json(rng))


def _pretrain_file(rng: random.Random, place: Place, data: Path) -> Command:
    run = place.folder / "run"
    return _trifold("pretrain", data, "--model", place.originals.encoder, *_SHORT, "--output-dir", run, output=run)


def _compare_file(rng: random.Random, place: Place, data: Path) -> Command:
    run = place.folder / "run"
    return _trifold("compare", data, "--methods", "tfidf", *_columns(rng), "--output-dir", run, output=run)


def predict_text(rng: random.Random, place: Place, run: Path) -> Command:
    return _trifold("predict", run, "--text", _TEXT, *_json(rng), *_offline(rng))


def _predict_with(rng: random.Random, place: Place, run: Path) -> Command:
    output = place.folder / "labelled.csv"
    words = ("predict", run, place.originals.reviews, "--output", output, *_offline(rng))
    return _trifold(*words, output=output, writes_rows=True)


def evaluate_with(rng: random.Random, place: Place, run: Path) -> Command:
    return _trifold("evaluate", run, place.originals.reviews, *_json(rng), *_offline(rng))


def predict_asking(rng: random.Random, place: Place, run: Path) -> Command:
    """A run from elsewhere, asked at the user's own server."""
    return _trifold("predict", run, "--text", _TEXT, *_json(rng), *_llm(rng, place))


def _export(rng: random.Random, place: Place, run: Path) -> Command:
    output = place.folder / "exported"
    int8 = ("--int8", "--max-drop", 100) if rng.random() < 0.3 else ()
    return _trifold("export", run, *int8, *_json(rng), *_offline(rng), "--output-dir", output, output=output)


def _load(rng: random.Random, place: Place, run: Path) -> Command:
    return Command((str(LOADER), str(run)))


def embed_text(rng: random.Random, place: Place, model: Path) -> Command:
    return _trifold("embed", model, "--text", _TEXT, *_offline(rng))


def _embed_with(rng: random.Random, place: Place, model: Path) -> Command:
    output = place.folder / "vectors.npy"
    return _trifold("embed", model, place.originals.reviews, "--output", output, output=output, writes_rows=True)


def finetune_model(rng: random.Random, place: Place, model: Path) -> Command:
    run, method = place.folder / "run", rng.choice(("features", "features", "full", "adapter-lora"))
    flags = ("--max-length", 32) if method == "features" else _FLAGS
    words = ("finetune", place.originals.reviews, "--method", method, "--model", model, *flags, *_offline(rng))
    return _trifold(*words, "--output-dir", run, output=run)


def fill_mask(rng: random.Random, place: Place, model: Path) -> Command:
    return _trifold("fill-mask", model, "The film is [MASK].", *_json(rng), *_offline(rng))


def generate(rng: random.Random, place: Place, model: Path) -> Command:
    flags = rng.choice(((), ("--num-return-sequences", 2), ("--temperature", 0), ("--json",)))
    return _trifold("generate", model, "The film", "--max-new-tokens", 8, *flags, *_offline(rng))


def perplexity(rng: random.Random, place: Place, model: Path) -> Command:
    return _trifold("perplexity", model, place.originals.story, *_json(rng), *_offline(rng))


def _pretrain_model(rng: random.Random, place: Place, model: Path) -> Command:
    run = place.folder / "run"
    return _trifold("pretrain", place.originals.story, "--model", model, *_SHORT, "--output-dir", run, output=run)


def prompt_model(rng: random.Random, place: Place, model: Path) -> Command:
    llm = ("--var", f"text={_TEXT}", "--llm", f"hf:{model}")
    if rng.random() < 0.3:
        return _trifold("prompt", "show", place.originals.prompt, *llm)
    return _trifold("prompt", "run", place.originals.prompt, *llm, "--max-tokens", 4, *place.log, *_json(rng))


def _show_prompt(rng: random.Random, place: Place, prompt: Path) -> Command:
    model = ("--llm", f"hf:{place.originals.decoder}") if rng.random() < 0.3 else _json(rng)
    return _trifold("prompt", "show", prompt, "--var", f"text={_TEXT}", *model)


def _run_prompt(rng: random.Random, place: Place, prompt: Path) -> Command:
    llm = ("--llm", f"hf:{place.originals.decoder}", "--max-tokens", 4, *place.log)
    return _trifold("prompt", "run", prompt, "--var", f"text={_TEXT}", *llm, *_json(rng))


def _label_prompt(rng: random.Random, place: Place, prompt: Path) -> Command:
    output, llm = place.folder / "labelled.csv", ("--llm", f"hf:{place.originals.decoder}", *place.log)
    words = ("label", place.originals.reviews, "--label-as", "said", "--prompt", prompt, *llm, "--output", output)
    return _trifold(*words, output=output, writes_rows=True, keeps=True)


def _settings(rng: random.Random, place: Place, settings: Path) -> Command:
    run = place.folder / "run"
    words = ("finetune", place.originals.reviews, "--method", "full", "--model", place.originals.encoder)
    return _trifold(*words, "--config", settings, "--output-dir", run, output=run, usage=True)


def _resume_comparison(rng: random.Random, place: Place, folder: Path) -> Command:
    flags = (*COMPARING, "--model", place.originals.encoder, "--output-dir", folder, "--resume", *_json(rng))
    return _trifold("compare", place.originals.reviews, *flags)


def _resume_training(rng: random.Random, place: Place, folder: Path) -> Command:
    words = ("finetune", place.originals.reviews, *STOPPED, "--model", place.originals.encoder)
    return _trifold(*words, "--output-dir", folder, "--resume", *_json(rng))


def _show_cache(rng: random.Random, place: Place, cache: Path) -> Command:
    return _trifold("cache", *rng.choice(((), ("--json",), ("--clear",), ("--clear", "--json"))))


def _use_cache(rng: random.Random, place: Place, cache: Path) -> Command:
    return finetune_model(rng, place, place.originals.encoder)


def _read_corpus(rng: random.Random, place: Place, cache: Path) -> Command:
    return _pretrain_model(rng, place, place.originals.encoder)


def _show_log(rng: random.Random, place: Place, log: Path) -> Command:
    return _trifold("log", *rng.choice(((), (1,), ("--limit", 3), ("--model", "x"))), "--log", log, *_json(rng))


def _ask_log(rng: random.Random, place: Place, log: Path) -> Command:
    llm = ("--llm", f"hf:{place.originals.decoder}", "--max-tokens", 4, "--log", log)
    return _trifold("prompt", "run", place.originals.prompt, "--var", f"text={_TEXT}", *llm)


def _ask_server(rng: random.Random, place: Place, _: Path) -> Command:
    form = rng.choice((*_json(rng), "plain"))
    flags = ("--json",) if form == "--json" else ()
    return _trifold("prompt", "run", place.originals.prompt, "--var", f"text={_TEXT}", *_llm(rng, place), *flags)


def _label_by_server(rng: random.Random, place: Place, data: Path) -> Command:
    output = place.folder / "labelled.csv"
    words = (
        "label",
        data,
        "--label-as",
        "said",
        "--prompt",
        place.originals.prompt,
        *_llm(rng, place),
        "--output",
        output,
    )
    return _trifold(*words, output=output, writes_rows=True, keeps=True)


def _write_by_server(rng: random.Random, place: Place, _: Path) -> Command:
    output = place.folder / "written.toml"
    return _trifold("prompt", "write", "sort mail", *_llm(rng, place), "--output", output, output=output)


def _learn_by_server(rng: random.Random, place: Place, data: Path) -> Command:
    run, flags = place.folder / "run", ("--method", "prompt", "--prompt", place.originals.prompt)
    return _trifold("finetune", data, *flags, *_llm(rng, place), "--output-dir", run, output=run)


def _llm(rng: random.Random, place: Place) -> tuple[object, ...]:
    retries = rng.choice((("--retries", 0), ("--retries", 1, "--max-seconds", 8)))
    return ("--llm", f"openai:{place.server}#soak", "--timeout-seconds", 1.5, "--concurrency", 8, *retries, *place.log)


# What a damaged thing of each kind is given to, and how often.
TABLE: dict[Make, int] = {
    _check: 5, _predict_file: 6, _evaluate_file: 3, _finetune_file: 5, _second_file: 2, _embed_file: 3, _label_file: 2,
    _perplexity_file: 1, _pretrain_file: 1, _compare_file: 1,
}  # fmt: skip
RUN: dict[Make, int] = {
    predict_text: 5, _predict_with: 4, evaluate_with: 2, _export: 2, _load: 3, embed_text: 1, finetune_model: 1,
}  # fmt: skip
LANGUAGE_MODEL: dict[Make, int] = {fill_mask: 3, generate: 3, perplexity: 2, embed_text: 1, _pretrain_model: 1}
MODEL: dict[Make, int] = {
    embed_text: 3, _embed_with: 1, finetune_model: 4, fill_mask: 2, generate: 2, perplexity: 2, prompt_model: 2,
    _pretrain_model: 1,
}  # fmt: skip
PROMPT_FILE: dict[Make, int] = {_show_prompt: 3, _run_prompt: 2, _label_prompt: 1}
SETTINGS_FILE: dict[Make, int] = {_settings: 1}
COMPARISON: dict[Make, int] = {_resume_comparison: 4, predict_text: 3, evaluate_with: 1, _export: 1, _load: 1}
STOPPED_TRAINING: dict[Make, int] = {_resume_training: 1}
CACHE: dict[Make, int] = {_show_cache: 3, _use_cache: 3, _read_corpus: 1}
LOG: dict[Make, int] = {_show_log: 3, _ask_log: 1}
SERVER: dict[Make, int] = {_ask_server: 6, _label_by_server: 3, _write_by_server: 1, _learn_by_server: 1}
