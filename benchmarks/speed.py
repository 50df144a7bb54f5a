"""Trifold beside what people use, on the same rows, in one run, in turns: A B A B, medians of at least three.

    python benchmarks/speed.py notebook head training lora inference useful memory startup | all [--turns 3] [--rows N]

Nothing else may run meanwhile. Each table leaves results/speed/TABLE.json with every raw time; docs/performance.md is
made from them (python benchmarks/performance_page.py). Needs TRIFOLD_DATA. Peers run in this environment; the ONNX
extra of sentence-transformers clashes with it, and is measured where PEER_PYTHON names an interpreter that has it.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from provenance import provenance
from trifold.backbone.locate import locate

RESULTS = Path(__file__).parent / "results" / "speed"
PEERS = Path(__file__).parent / "peers"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
MODEL = str(locate("minilm").folder)
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
# A contestant: a name, and what to do for one turn; it returns the figures of that turn.
Turn = Callable[[Path], dict[str, float]]


def reviews(count: int, path: Path, skip: int = 0) -> Path:
    """Reviews of either label, as many of each, in a CSV."""
    query = "SELECT text, label FROM read_parquet(?) WHERE label = ? LIMIT ? OFFSET ?"
    source = str(DATA / "imdb" / "train.parquet")
    halves = [duckdb.execute(query, [source, label, count // 2, skip]).fetchall() for label in (0, 1)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *(row for pair in zip(*halves, strict=True) for row in pair)])
    return path


def all_rows_train(data: Path) -> tuple[object, ...]:
    """Flags that leave all of `data` to training, as the peer has it: a few other rows validate and test."""
    validation, test = (reviews(16, data.with_name(f"{skip}.csv"), skip) for skip in (10_000, 11_000))
    return ("--validation-file", validation, "--test-file", test)


def peer(script: str, *arguments: object, python: str = sys.executable, **environment: str) -> dict[str, float]:
    """A peer's own figures, with the seconds of its whole process."""
    begun = time.perf_counter()
    done = subprocess.run(
        [python, str(PEERS / script), *map(str, arguments)], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", **environment},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return {**json.loads(done.stdout.splitlines()[-1]), "process_seconds": time.perf_counter() - begun}


def ours(*arguments: object, cache: Path | None = None) -> dict[str, float]:
    """One command of ours, with the seconds of its whole process, and what its run folder says.

    Its cache is empty unless one is given.
    """
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "run"
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "trifold", "finetune", *map(str, arguments), "--output-dir", str(output)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "TRIFOLD_CACHE": str(cache or Path(place) / "cache")},
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(done.stderr)
        facts = json.loads((output / "run.json").read_text())
        metrics = json.loads((output / "metrics.json").read_text())
        history = output / "history.csv"
        loop = float(history.read_text().splitlines()[-1].rsplit(",", 1)[1]) if history.exists() else 0.0
        return {
            "process_seconds": seconds,
            "train_seconds": facts["train_seconds"],
            "fresh_seconds": facts["train_seconds"] - facts["train_seconds_from_cache"],
            "loop_seconds": loop,
            "accuracy": metrics["accuracy"]["value"],
            "peak_bytes": facts["peak_memory_bytes"],
            "ms_per_text": facts["ms_per_text"],
        }


def in_turns(
    table: str, contestants: dict[str, Turn], turns: int, about: dict[str, object], once: tuple[str, ...] = ()
) -> None:
    """Let all run, one after the other, again and again, and keep every time; those of `once` in one turn only."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as place:
        for turn in range(turns):
            for name, run in contestants.items():
                if turn and name in once:
                    continue
                found[name].append(run(Path(place)))
                print(f"{table} {turn + 1}/{turns} {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {"table": table, **about, **({"once": list(once)} if once else {}), "turns": found, **provenance()}
    (RESULTS / f"{table}.json").write_text(json.dumps(kept, indent=1) + "\n")


def notebook(turns: int, rows: int) -> None:
    """The notebook's recipe (one epoch measured, five counted) against features, from process start to saved run."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")

    def recipe(_place: Path) -> dict[str, float]:
        found = peer("notebook.py", data, MODEL)
        return {**found, "process_seconds": found["process_seconds"] + 4 * found["epoch_seconds"]}

    contestants: dict[str, Turn] = {
        "notebook, 5 epochs": recipe,
        "features": lambda _: ours(data, "--method", "features"),
        "features, int8": lambda _: ours(data, "--method", "features", "--engine", "int8"),
    }
    in_turns("notebook", contestants, turns, {"rows": rows, "figure": "process_seconds", "backbone": "minilm"})


def head(turns: int, rows: int) -> None:
    """Another head on texts that were read before, against the first pass over them: learning alone."""
    place = Path(tempfile.mkdtemp())
    data = reviews(rows, place / "rows.csv")
    flags = (data, "--method", "features", *all_rows_train(data))
    first = "first pass, all heads tried"
    contestants: dict[str, Turn] = {
        first: lambda _: ours(*flags, cache=place / "cache"),
        "a further head, mlp": lambda _: ours(*flags, "--head", "mlp", cache=place / "cache"),
    }
    in_turns("head", contestants, turns, {"rows": rows, "figure": "fresh_seconds", "backbone": "minilm"}, (first,))


def training(turns: int, rows: int) -> None:
    """One epoch of full fine-tuning: the loops alone, ours with its validation of a few rows."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    flags = (data, "--method", "full", "--epochs", 1, *all_rows_train(data))
    contestants: dict[str, Turn] = {
        "Trainer, defaults": lambda _: peer("trainer.py", data, MODEL),
        "Trainer, best settings": lambda _: peer("trainer.py", data, MODEL, "--best", **ALLOCATOR),
        "full": lambda _: ours(*flags),
        "full, frozen embeddings": lambda _: ours(*flags, "--freeze-embeddings"),
    }
    in_turns("training", contestants, turns, {"rows": rows, "figure": "loop_seconds", "backbone": "minilm"})


def lora(turns: int, rows: int) -> None:
    """Three epochs of LoRA on all layers against adapters in the top half over the prefix, its one pass included."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    validation, test = (
        reviews(count, data.with_name(f"{skip}.csv"), skip) for count, skip in ((48, 10_000), (500, 11_000))
    )
    flags = ("--adapter-layers", 3, "--epochs", 3, "--validation-file", validation, "--test-file", test)
    contestants: dict[str, Turn] = {
        "Trainer with peft": lambda _: peer("trainer.py", data, MODEL, "--lora", "--epochs", 3, "--test", test),
        "adapter-lora, top half": lambda _: ours(data, "--method", "adapter-lora", *flags),
        "adapter-bottleneck, top half": lambda _: ours(data, "--method", "adapter-bottleneck", *flags),
    }
    in_turns("lora", contestants, turns, {"rows": rows, "figure": "train_seconds", "backbone": "minilm"})


def inference(turns: int, rows: int) -> None:
    """Texts to vectors, the model loaded and warm."""
    place = Path(tempfile.mkdtemp())
    (place / "texts.json").write_text(json.dumps(texts_of(reviews(rows, place / "rows.csv"))))
    own = os.environ.get("PEER_PYTHON")

    def encode(way: str, python: str = sys.executable) -> Turn:
        return lambda _: peer("encode.py", place / "texts.json", MODEL, way, place / f"{way}.npy", python=python)

    contestants: dict[str, Turn] = {
        "transformers pipeline": encode("pipeline"),
        "transformers pipeline, batch 32": encode("pipeline32"),
        "sentence-transformers": encode("sentence"),
        **({"sentence-transformers, ONNX int8": encode("sentence-int8", own)} if own else {}),
        **{f"trifold, {engine}": encode(f"trifold-{engine}") for engine in ("torch", "onnx", "int8")},
    }
    in_turns("inference", contestants, turns, {"rows": rows, "figure": "seconds", "backbone": "minilm"})
    exact = np.load(place / "sentence.npy")
    kept = json.loads((RESULTS / "inference.json").read_text())
    kept["cosines"] = {
        path.stem: {"mean": float(cosines.mean()), "lowest": float(cosines.min())}
        for path in sorted(place.glob("*.npy"))
        for cosines in [(np.load(path) * exact).sum(1)]
    }
    (RESULTS / "inference.json").write_text(json.dumps(kept, indent=1) + "\n")


def useful(turns: int, rows: int) -> None:
    """What a tera of useful operations takes, beside the fastest matrix product of the precision that is used.

    Useful are two a multiply-add, on real tokens alone, and twice as many on the way back; padding and what is computed
    again count as nothing.
    """
    place = Path(tempfile.mkdtemp())
    data = reviews(rows, place / "rows.csv")
    flags = all_rows_train(data)
    texts = texts_of(data)
    (place / "texts.json").write_text(json.dumps(texts))
    encoded = operations(texts, first_token_layers=0)
    # `full` gives minilm one layer more, which it computes for the first token alone.
    trained = 3 * operations(texts, first_token_layers=1) + operations(texts_of(Path(str(flags[1]))), 1)
    contestants: dict[str, Turn] = {
        "matrix product": lambda _: {"seconds": 1e12 / product_rate()},
        "encoding": lambda _: {
            "seconds": 1e12
            / encoded
            * peer("encode.py", place / "texts.json", MODEL, "trifold-torch", place / "v.npy")["seconds"]
        },
        "full, training": lambda _: {
            "seconds": 1e12 / trained * ours(data, "--method", "full", "--epochs", 1, *flags)["loop_seconds"]
        },
    }
    in_turns("useful", contestants, turns, {"rows": rows, "figure": "seconds", "backbone": "minilm"})


def texts_of(data: Path) -> list[str]:
    """The texts of a CSV."""
    with data.open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def operations(texts: list[str], first_token_layers: int, layers: int = 6, width: int = 384) -> float:
    """Of minilm's layers, forward: 12 multiply-adds a token and squared width, and 2 a pair of tokens and width.

    A layer that is computed for the first token alone still makes every token's key and value.
    """
    from trifold.backbone.tokens import Tokenizer

    tokens = Tokenizer(locate("minilm"), 250, "truncate").encode(texts).lengths.astype(float)
    whole = layers * (24 * width**2 * tokens + 4 * width * tokens**2)
    return float((whole + first_token_layers * 4 * width**2 * tokens).sum())


def product_rate() -> float:
    """Operations a second of the fastest of some square matrix products."""
    import torch

    from trifold.runtime import choose, prepare

    prepare()
    rates = []
    for size in (1_024, 2_048, 4_096):
        a = torch.randn(size, size, dtype=getattr(torch, choose().precision))
        for _ in range(5):
            begun = time.perf_counter()
            a @ a
            rates.append(2 * size**3 / (time.perf_counter() - begun))
    return max(rates)


def memory(turns: int, rows: int) -> None:
    """Peak memory of full fine-tuning, the Trainer's batch at 32."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    contestants: dict[str, Turn] = {
        "Trainer, batch 32": lambda _: peer("trainer.py", data, MODEL, "--batch-size", 32),
        "full": lambda _: ours(data, "--method", "full", "--epochs", 1),
    }
    in_turns("memory", contestants, turns, {"rows": rows, "figure": "peak_bytes", "backbone": "minilm"})


def startup(turns: int, _rows: int) -> None:
    """`trifold --help`."""

    def run(_place: Path) -> dict[str, float]:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "trifold", "--help"], capture_output=True, check=True)
        return {"seconds": time.perf_counter() - begun}

    in_turns("startup", {"trifold --help": run}, max(5, turns), {"figure": "seconds"})


TABLES = {
    "notebook": (notebook, 2_000),
    "head": (head, 10_000),
    "training": (training, 192),
    "lora": (lora, 192),
    "inference": (inference, 256),
    "useful": (useful, 192),
    "memory": (memory, 128),
    "startup": (startup, 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=[*TABLES, "all"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    for table in TABLES if "all" in given.tables else given.tables:
        run, rows = TABLES[table]
        run(given.turns, given.rows or rows)


if __name__ == "__main__":
    main()
