"""Pretraining on real text: every figure that docs/pretraining.md quotes.

    python benchmarks/pretrain.py mlm-imdb | then-full | books-clm | books-mlm | speed

    mlm-imdb   minilm continued for 45 minutes by masked words on IMDB's unlabelled reviews (those that stand in
               imdb/train left out), then asked what "It was [MASK]." hides: AUC on 2,000 reviews without any label
    then-full  `full` on 2,000 labelled reviews, three seeds, with plain minilm and with the model of mlm-imdb
    books-clm  a new model, 4 layers of width 256, WordPiece of 16,000, 20 minutes of next words on books,
               against bzip2 -9
    books-mlm  the same by masked words
    speed      tokens/s of our loop and of transformers' Trainer on the same blocks

Models go to build/pretrain/ (`mlm-imdb` leaves the one that `then-full` takes), figures and raw rows to
results/pretrain/: a JSON file each with command, commit, machine and versions, and a Parquet file, from which a test
recomputes the figures. Needs TRIFOLD_DATA. MINUTES in the environment shortens the trainings, for trying this script.
"""

import bz2
import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from provenance import provenance
from result_tables import labelled_texts, read_csv, read_rows, replace_run, write_rows

RESULTS = Path(__file__).parent / "results" / "pretrain"
MODELS = Path(__file__).parents[1] / "build" / "pretrain"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
MINUTES = os.environ.get("MINUTES")
SEEDS = (1, 2, 3)

# Fixed before any model was asked: everyday words of both kinds, each a single piece of minilm's vocabulary.
POSITIVE = ("great", "good", "wonderful", "excellent", "amazing")
NEGATIVE = ("terrible", "bad", "awful", "horrible", "boring")
CLOZE = "It was [MASK]."
# A review's end judges; so many of its tokens leave room for the question in a block of 256.
CLOZE_TOKENS = 240
CLOZE_REVIEWS, LABELLED_REVIEWS, TEST_REVIEWS = 2_000, 2_000, 3_000
BOOKS_HELD_OUT = 0.02
SPEED_STEPS, SPEED_REPEATS = 12, 3


def trifold(*arguments: object) -> str:
    """Run the command line; its standard output."""
    command = [sys.executable, "-m", "trifold", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def keep(name: str, figures: dict[str, Any], header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write figures and raw rows."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/pretrain.py {name}"
    # A shortened training must not pass for a real one.
    facts = {"name": name, **provenance(), "command": command, "minutes_overridden": MINUTES, **figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_rows(RESULTS / f"{name}.parquet", [dict(zip(header, row, strict=True)) for row in rows])
    print(name, json.dumps({key: value for key, value in figures.items() if isinstance(value, float)}), flush=True)


def pretrained(name: str, *arguments: object) -> tuple[Path, dict[str, Any]]:
    """Pretrain into build/pretrain/NAME, and what the run says of itself, free of this machine's paths."""
    folder = MODELS / name
    trifold("pretrain", *arguments, "--output-dir", folder, "--resume")
    facts = json.loads((folder / "run.json").read_text())
    # Lines of the text that was read: data, which stays where it is.
    del facts["samples"]
    facts["command"] = " ".join(Path(word).name if "/" in word else word for word in facts["command"].split())
    facts["data"] = {**facts["data"], "path": Path(facts["data"]["path"]).name}
    facts["data"]["exclude"] = [Path(path).name for path in facts["data"]["exclude"]]
    replace_run(RESULTS / "history.parquet", name, read_csv(folder / "history.csv"))
    return folder, {"metrics": json.loads((folder / "metrics.json").read_text()), "run": facts}


def reviews() -> list[tuple[int, str, int]]:
    """Row number, text and label of IMDB's training half, in an order drawn once."""
    found = labelled_texts(DATA / "imdb" / "train.parquet")
    rows = [(number, text, label) for number, (text, label) in enumerate(found, start=2)]
    random.Random(0).shuffle(rows)
    return rows


def mlm_imdb() -> None:
    """Continue minilm on reviews, then ask it about others."""
    from sklearn.metrics import roc_auc_score

    imdb = DATA / "imdb"
    flags = ("--exclude", imdb / "train.parquet", "--time-limit", MINUTES or 45)
    folder, facts = pretrained("mlm-imdb", imdb / "unlabelled.parquet", *flags)
    asked = reviews()[:CLOZE_REVIEWS]
    scores = cloze_scores(folder, [text for _, text, _ in asked])
    auc = float(roc_auc_score([label for _, _, label in asked], scores))
    words = {"positive": POSITIVE, "negative": NEGATIVE, "question": CLOZE, "review_tokens": CLOZE_TOKENS}
    rows = [(number, label, round(score, 6)) for (number, _, label), score in zip(asked, scores, strict=True)]
    keep("mlm-imdb", {"cloze_auc": auc, "cloze": words, **facts}, ("row", "label", "score"), rows)


def cloze_scores(folder: Path, texts: Sequence[str]) -> list[float]:
    """How much likelier a review makes words of praise than words of blame, each against its own prior.

    The prior of a word is its probability in the question alone.

    Source: Zhao et al. 2021, "Calibrate Before Use", for the correction by a question without content.
    """
    from trifold.models.settings import ComputeSettings
    from trifold.pipeline.language_model import open_language_model
    from trifold.pretrain.fill_mask import mask_probabilities
    from trifold.pretrain.special_tokens import Vocabulary

    speaker, _ = open_language_model(str(folder), "mlm", ComputeSettings())
    known = Vocabulary.of(speaker.files, "mlm")
    places = [[known.tokenizer.token_to_id(word) for word in words] for words in (POSITIVE, NEGATIVE)]
    prior = mask_probabilities(speaker.model, known, CLOZE)[0]
    scores = []
    for number, text in enumerate(texts):
        plain = text.replace("<br />", " ")
        offsets = known.tokenizer.encode(plain, add_special_tokens=False).offsets
        end = plain[offsets[-CLOZE_TOKENS][0] :] if len(offsets) > CLOZE_TOKENS else plain
        lifted = mask_probabilities(speaker.model, known, f"{end.strip()} {CLOZE}")[0] / prior
        praise, blame = (float(np.log(lifted[one].sum())) for one in places)
        scores.append(praise - blame)
        if number % 200 == 0:
            print(f"cloze: {number} of {len(texts)}", file=sys.stderr, flush=True)
    return scores


def then_full() -> None:
    """`full` on few labels, with and without what the unlabelled reviews taught."""
    model = MODELS / "mlm-imdb"
    if not (model / "run.json").is_file():
        raise SystemExit("run mlm-imdb first: it makes the model")
    # Behind the reviews of the cloze, so that nothing chosen on those is reported on again.
    drawn = reviews()[CLOZE_REVIEWS:]
    files = MODELS / "then-full"
    files.mkdir(parents=True, exist_ok=True)
    labelled, tested = drawn[:LABELLED_REVIEWS], drawn[LABELLED_REVIEWS : LABELLED_REVIEWS + TEST_REVIEWS]
    for name, rows in (("labelled.csv", labelled), ("test.csv", tested)):
        with (files / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text", "label"))
            writer.writerows((text, label) for _, text, label in rows)
    columns = {}
    for seed in SEEDS:
        for name, backbone in (("plain", "minilm"), ("pretrained", model)):
            folder = files / f"{name}-{seed}"
            flags = ("--test-file", files / "test.csv", "--seed", seed, "--model", backbone, "--output-dir", folder)
            trifold("finetune", files / "labelled.csv", "--method", "full", *flags, "--resume")
            with (folder / "predictions.csv").open() as file:
                columns[f"{name}-{seed}"] = [int(row["prediction"]) for row in csv.DictReader(file)]
    truth = [label for _, _, label in tested]
    accuracies = {name: float(np.mean(np.array(said) == truth)) for name, said in columns.items()}
    value, low, high = gain(truth, columns)
    figures = {"gain": value, "gain_low": low, "gain_high": high, "accuracy": accuracies}
    rows = zip([number for number, _, _ in tested], truth, *columns.values(), strict=True)
    keep("then-full", figures, ("row", "label", *columns), rows)


def gain(truth: Sequence[int], columns: dict[str, list[int]]) -> tuple[float, float, float]:
    """Mean gain over seeds, and its interval over draws of test rows and of seeds."""
    right = {name: np.array(said) == np.array(truth) for name, said in columns.items()}
    gains = np.stack([right[f"pretrained-{seed}"].astype(float) - right[f"plain-{seed}"] for seed in SEEDS])
    rng = np.random.default_rng(0)
    draws = [
        gains[rng.integers(len(SEEDS), size=len(SEEDS))][:, rng.integers(len(truth), size=len(truth))].mean()
        for _ in range(2_000)
    ]
    return float(gains.mean()), float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def books(objective: str) -> None:
    """A new model on books, judged by the last of them, which it never saw."""
    source, files = DATA / "gutenberg" / "books.parquet", MODELS / "books"
    files.mkdir(parents=True, exist_ok=True)
    texts = [row["text"] for row in read_rows(source, ["text"])]
    cut = round(len(texts) * (1 - BOOKS_HELD_OUT))
    for name, part in (("train.jsonl", texts[:cut]), ("held-out.jsonl", texts[cut:])):
        lines = (json.dumps({"text": text}, ensure_ascii=False) for text in part)
        (files / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    shape = ("--tokenizer", "wordpiece", "--vocab-size", 16_000, "--layers", 4, "--hidden-size", 256, "--heads", 4)
    name = f"books-{objective}"
    flags = ("--objective", objective, "--from-scratch", *shape, "--time-limit", MINUTES or 20)
    folder, facts = pretrained(name, files / "train.jsonl", *flags)
    held_out = json.loads(trifold("perplexity", folder, files / "held-out.jsonl", "--json"))
    rows = packed_sizes(folder, objective, texts[cut:])
    # One archive of all of it, as one would pack it; the sizes of single documents are the raw rows.
    whole = "\n".join(seen_texts(folder, objective, texts[cut:])).encode()
    bits = 8 * len(bz2.compress(whole, 9)) / len(whole)
    figures = {"bzip2_bits_per_byte": bits, "held_out": held_out, **facts}
    if objective == "clm":
        figures["bits_per_byte"] = held_out["bits_per_byte"]
        prompts = ("It was", "The old man looked at", "She said that")
        flags = ("--max-new-tokens", 80, "--seed", 1, "--json")
        figures["samples"] = [json.loads(trifold("generate", folder, prompt, *flags)) for prompt in prompts]
    figures["unknown_share"] = facts["metrics"]["unknown_share"]
    keep(name, figures, ("document", "bytes", "bzip2_bytes"), rows)


def seen_texts(folder: Path, objective: str, texts: Sequence[str]) -> list[str]:
    """The texts as the model's tokens say them: what both the model and bzip2 are to pack."""
    from trifold.models.locate import locate
    from trifold.pretrain.special_tokens import Vocabulary

    known = Vocabulary.of(locate(str(folder)), "mlm" if objective == "mlm" else "clm")
    return [known.seen(text) for text in texts]


def packed_sizes(folder: Path, objective: str, texts: Sequence[str]) -> list[tuple[int, int, int]]:
    """Each document by itself."""
    encoded = [text.encode() for text in seen_texts(folder, objective, texts)]
    return [(number, len(one), len(bz2.compress(one, 9))) for number, one in enumerate(encoded)]


def speed() -> None:
    """Our loop and the Trainer, by turns, on the same packed blocks of reviews."""
    from trifold.models.locate import locate

    MODELS.mkdir(parents=True, exist_ok=True)
    path, peer = MODELS / "blocks.npy", Path(__file__).parent / "peers" / "trainer_mlm.py"
    np.save(path, speed_blocks(16 * SPEED_STEPS))
    rows: list[tuple[str, int, int, float]] = []
    for repeat in range(SPEED_REPEATS):
        for mode in ("ours", "defaults", "best"):
            if mode == "ours":
                command = [sys.executable, __file__, "speed-ours"]
            else:
                command = [sys.executable, peer, path, locate("minilm").folder, mode, SPEED_STEPS]
            said = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(said.strip().splitlines()[-1])
            rows += [(mode, repeat, found["tokens_per_step"], seconds) for seconds in found["seconds"]]
            print(mode, repeat, round(found["tokens_per_step"] / float(np.median(found["seconds"]))), flush=True)
    rates = {mode: tokens_per_second(rows, mode) for mode in ("ours", "defaults", "best")}
    ratios = {f"times_{mode}": rates["ours"] / rates[mode] for mode in ("defaults", "best")}
    keep("speed", {"tokens_per_second": rates, **ratios}, ("mode", "repeat", "tokens", "seconds"), rows)


def tokens_per_second(rows: Sequence[tuple[str, int, int, float]], mode: str) -> float:
    """From the median step: other work on the machine lengthens single ones."""
    return float(np.median([tokens / seconds for name, _, tokens, seconds in rows if name == mode]))


def speed_blocks(count: int) -> np.ndarray:
    """Packed blocks of reviews, `(count, 256)`."""
    from trifold.models.locate import locate
    from trifold.pretrain.corpus import Part, Span, open_corpus
    from trifold.pretrain.packing import Blocks
    from trifold.pretrain.settings import CorpusSettings
    from trifold.pretrain.special_tokens import Vocabulary
    from trifold.pretrain.text_files import Documents

    known = Vocabulary.of(locate("minilm"), "mlm")
    corpus = open_corpus(Documents((DATA / "imdb" / "movie.csv",), CorpusSettings()), known)
    blocks = Blocks.of(corpus, Part((Span(0, len(corpus.tokens)),), 0), known, 256)
    return blocks.read(np.arange(count))[0]


def speed_ours() -> None:
    """Our steps on those blocks, timed one by one."""
    from trifold.models.locate import locate
    from trifold.pretrain.corpus import Part, Span, open_corpus
    from trifold.pretrain.language_models import language_model
    from trifold.pretrain.masking import Masking
    from trifold.pretrain.objectives import Excerpt, objectives
    from trifold.pretrain.packing import Blocks
    from trifold.pretrain.settings import CorpusSettings, LearningSettings
    from trifold.pretrain.special_tokens import Vocabulary
    from trifold.pretrain.text_files import Documents
    from trifold.runtime import choose, prepare
    from trifold.train.config import TrainingConfig
    from trifold.train.loop import train

    prepare()
    runtime = choose()
    plan = TrainingConfig.of(LearningSettings(), learning_rate=5e-4, epochs=1, batch_size=16, token_budget=4_096)
    files = locate("minilm")
    known = Vocabulary.of(files, "mlm")
    corpus = open_corpus(Documents((DATA / "imdb" / "movie.csv",), CorpusSettings()), known)
    blocks = Blocks.of(corpus, Part((Span(0, len(corpus.tokens)),), 0), known, 256)
    masking = Masking(known, 0.15)
    training, validation = objectives((blocks, blocks), masking, masking, runtime.device, 0)
    begins: list[float] = []

    class Timed(Excerpt):
        def loss(self, model: Any, positions: np.ndarray) -> Any:
            if model.training:
                begins.append(time.monotonic())
            return super().loss(model, positions)

    part = Timed(training, plan.batch_size * SPEED_STEPS)
    train(language_model(files, "mlm").to(runtime.device), part, Excerpt(validation, 1), plan, runtime)
    # Several micro-batches make a step; between the beginnings of steps lies all that a step costs.
    per_step = len(begins) // SPEED_STEPS
    seconds = np.diff(begins[::per_step])[1:].tolist()
    print(json.dumps({"tokens_per_step": plan.batch_size * 256, "seconds": seconds}))


def main() -> None:
    """Run what the command line names."""
    rows = {
        "mlm-imdb": mlm_imdb,
        "then-full": then_full,
        "books-clm": lambda: books("clm"),
        "books-mlm": lambda: books("mlm"),
        "speed": speed,
        "speed-ours": speed_ours,
    }
    if not sys.argv[1:] or not DATA.is_dir() or any(name not in rows for name in sys.argv[1:]):
        raise SystemExit(__doc__)
    for name in sys.argv[1:]:
        rows[name]()


if __name__ == "__main__":
    main()
