"""Trifold beside what people use, on the same rows, in one run, in turns: A B A B, medians of at least three.

    python benchmarks/speed.py notebook head training lora inference useful memory startup | all [--turns 3] [--rows N]
        [--machine NAME]
    python benchmarks/speed.py --gpu [inference training useful lora] [--tokenizer FOLDER] [--turns 3] [--rows N]

Nothing else may run meanwhile. Each table leaves results/speed/TABLE.json with every raw time, or with --machine NAME
TABLE@NAME.json beside that of another machine; docs/performance.md is
made from them (python benchmarks/performance_page.py). Needs TRIFOLD_DATA. Peers run in this environment; the ONNX
extra of sentence-transformers clashes with it, and is measured where PEER_PYTHON names an interpreter that has it.

On a GPU it is a backbone of bert-base-uncased's shape and vocabulary with random weights, since only time is asked for,
and results go to results/speed-gpu/. `memory`, and of `useful` the training, are of the kept runs of `training` there.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from provenance import provenance
from result_tables import labelled_texts
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.classification_head import trained_on_means
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose, prepare

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parent / "peers"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
# A contestant: a name, and what to do for one turn; it returns the figures of that turn.
Turn = Callable[[Path], dict[str, float]]


@dataclass(frozen=True)
class Setting:
    """What is measured, and where it is kept.

    Attributes:
        backbone: Its name in the results.
        files: It.
        results: Gets a file a table.
        flags: That name it on our command line.
        machine: Where several are kept, which one this is.
    """

    backbone: str
    files: BackboneFiles
    results: Path
    flags: tuple[str, ...] = ()
    machine: str | None = None

    def kept_in(self, table: str) -> Path:
        """A table's file."""
        return self.results / (f"{table}@{self.machine}.json" if self.machine else f"{table}.json")

    @property
    def folder(self) -> str:
        """Of the backbone."""
        return str(self.files.folder)


def on_cpu(machine: str | None) -> Setting:
    """minilm, on whatever machine this is."""
    return Setting("minilm", locate("minilm"), RESULTS / "speed", machine=machine)


def on_gpu(tokenizer: str | None) -> Setting:
    """A backbone of bert-base-uncased's shape, its weights drawn with a fixed seed.

    Args:
        tokenizer: Folder of an uncased WordPiece tokenizer of its vocabulary; minilm's where `None`.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    if not torch.cuda.is_available():
        raise SystemExit("--gpu needs one, and PyTorch sees none")
    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp()) / "bert-base-shape"
    BertModel(BertConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer or locate("minilm").folder).save_pretrained(folder)
    flags = ("--model", str(folder))
    return Setting("bert-base-uncased's shape, random weights", locate(str(folder)), RESULTS / "speed-gpu", flags)


def reviews(count: int, path: Path, skip: int = 0) -> Path:
    """Reviews of either label, as many of each, in a CSV."""
    rows = labelled_texts(DATA / "imdb" / "train.parquet")
    halves = [[row for row in rows if row[1] == label][skip : skip + count // 2] for label in (0, 1)]
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
            "adapting_seconds": loop + facts["choices"].get("prefix_seconds", 0.0),
        }


def in_turns(
    setting: Setting,
    table: str,
    contestants: dict[str, Turn],
    turns: int,
    about: dict[str, object],
    once: tuple[str, ...] = (),
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
            keep(setting, table, {**about, **({"once": list(once)} if once else {}), "turns": found})


def keep(setting: Setting, table: str, facts: dict[str, object]) -> None:
    """Write a table's file."""
    setting.results.mkdir(parents=True, exist_ok=True)
    whole = {"table": table, "backbone": setting.backbone, **facts, **provenance()}
    setting.kept_in(table).write_text(json.dumps(whole, indent=1) + "\n")


def kept(setting: Setting, table: str) -> dict[str, Any]:
    """What was written."""
    found: dict[str, Any] = json.loads(setting.kept_in(table).read_text())
    return found


def notebook(setting: Setting, turns: int, rows: int) -> None:
    """The notebook's recipe (one epoch measured, five counted) against features, from process start to saved run."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")

    def recipe(_place: Path) -> dict[str, float]:
        found = peer("notebook.py", data, setting.folder)
        return {**found, "process_seconds": found["process_seconds"] + 4 * found["epoch_seconds"]}

    contestants: dict[str, Turn] = {
        "notebook, 5 epochs": recipe,
        "features": lambda _: ours(data, *setting.flags, "--method", "features"),
        "features, int8": lambda _: ours(data, *setting.flags, "--method", "features", "--engine", "int8"),
    }
    in_turns(setting, "notebook", contestants, turns, {"rows": rows, "figure": "process_seconds"})


def head(setting: Setting, turns: int, rows: int) -> None:
    """Another head on texts that were read before, against the first pass over them: learning alone."""
    place = Path(tempfile.mkdtemp())
    data = reviews(rows, place / "rows.csv")
    flags = (data, *setting.flags, "--method", "features", *all_rows_train(data))
    first = "first pass, all heads tried"
    contestants: dict[str, Turn] = {
        first: lambda _: ours(*flags, cache=place / "cache"),
        "a further head, mlp": lambda _: ours(*flags, "--head", "mlp", cache=place / "cache"),
    }
    in_turns(setting, "head", contestants, turns, {"rows": rows, "figure": "fresh_seconds"}, (first,))


def training(setting: Setting, turns: int, rows: int) -> None:
    """One epoch of full fine-tuning: the loops alone, ours with its validation of a few rows."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    flags = (data, *setting.flags, "--method", "full", "--epochs", 1, *all_rows_train(data))
    contestants: dict[str, Turn] = {
        "Trainer, defaults": lambda _: peer("trainer.py", data, setting.folder),
        "Trainer, best settings": lambda _: peer("trainer.py", data, setting.folder, "--best", **ALLOCATOR),
        "full": lambda _: ours(*flags),
        "full, frozen embeddings": lambda _: ours(*flags, "--freeze-embeddings"),
    }
    in_turns(setting, "training", contestants, turns, {"rows": rows, "figure": "loop_seconds"})


def lora(setting: Setting, turns: int, rows: int) -> None:
    """Three epochs of LoRA on all layers against adapters in the top half over the prefix, its one pass included.

    The peer's clock starts with its loop. Ours does so on a GPU, too, where loading a model is longer than training it;
    on a CPU ours starts before the model is loaded.
    """
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    validation, test = (
        reviews(count, data.with_name(f"{skip}.csv"), skip) for count, skip in ((48, 10_000), (500, 11_000))
    )
    half = int(read_config(setting.files)["num_hidden_layers"]) // 2
    flags = ("--adapter-layers", half, "--epochs", 3, "--validation-file", validation, "--test-file", test)

    def theirs(_place: Path) -> dict[str, float]:
        found = peer("trainer.py", data, setting.folder, "--lora", "--epochs", 3, "--test", test)
        return {**found, "adapting_seconds": found["loop_seconds"]}

    contestants: dict[str, Turn] = {
        "Trainer with peft": theirs,
        "adapter-lora, top half": lambda _: ours(data, *setting.flags, "--method", "adapter-lora", *flags),
    }
    figure = "adapting_seconds" if setting.flags else "train_seconds"
    if not setting.flags:
        contestants["adapter-bottleneck, top half"] = lambda _: ours(data, "--method", "adapter-bottleneck", *flags)
    in_turns(setting, "lora", contestants, turns, {"rows": rows, "figure": figure})


def inference(setting: Setting, turns: int, rows: int) -> None:
    """Texts to vectors, the model loaded and warm."""
    place = Path(tempfile.mkdtemp())
    (place / "texts.json").write_text(json.dumps(texts_of(reviews(rows, place / "rows.csv"))))
    own = os.environ.get("PEER_PYTHON")
    engines = ("torch",) if setting.flags else ("torch", "onnx", "int8")

    def encode(way: str, python: str = sys.executable) -> Turn:
        texts, vectors = place / "texts.json", place / f"{way}.npy"
        return lambda _: peer("encode.py", texts, setting.folder, way, vectors, python=python)

    contestants: dict[str, Turn] = {
        "transformers pipeline": encode("pipeline"),
        "transformers pipeline, batch 32": encode("pipeline32"),
        "sentence-transformers": encode("sentence"),
        **({"sentence-transformers, ONNX int8": encode("sentence-int8", own)} if own else {}),
        **{f"trifold, {engine}": encode(f"trifold-{engine}") for engine in engines},
    }
    in_turns(setting, "inference", contestants, turns, {"rows": rows, "figure": "seconds"})
    exact = np.load(place / "sentence.npy")
    cosines = {path.stem: (np.load(path) * exact).sum(1) for path in sorted(place.glob("*.npy"))}
    facts = kept(setting, "inference")
    facts["cosines"] = {
        name: {"mean": float(found.mean()), "lowest": float(found.min())} for name, found in cosines.items()
    }
    keep(setting, "inference", facts)


def useful(setting: Setting, turns: int, rows: int) -> None:
    """What a tera of useful operations takes, beside the fastest matrix product of the precision that is used.

    Useful are two a multiply-add, on real tokens alone, and twice as many on the way back; padding and what is computed
    again count as nothing.
    """
    place = Path(tempfile.mkdtemp())
    data = reviews(rows, place / "rows.csv")
    flags = all_rows_train(data)
    encoded, trained = useful_operations(setting, data)

    def learning(_place: Path) -> dict[str, float]:
        found = ours(data, *setting.flags, "--method", "full", "--epochs", 1, *flags)
        return {"seconds": 1e12 / trained * found["loop_seconds"]}

    contestants: dict[str, Turn] = {
        "matrix product": lambda _: {"seconds": 1e12 / product_rate()},
        "encoding": encoding(setting, data, encoded),
        "full, training": learning,
    }
    in_turns(setting, "useful", contestants, turns, {"rows": rows, "figure": "seconds"})


def encoding(setting: Setting, data: Path, encoded: float) -> Turn:
    """What a tera of useful operations takes where the texts of `data`, `encoded` operations, are read."""
    texts, vectors = data.with_suffix(".json"), data.with_suffix(".npy")
    texts.write_text(json.dumps(texts_of(data)))

    def turn(_place: Path) -> dict[str, float]:
        found = peer("encode.py", texts, setting.folder, "trifold-torch", vectors)
        return {"seconds": 1e12 / encoded * found["seconds"]}

    return turn


def read_again(setting: Setting, turns: int, rows: dict[str, int]) -> None:
    """`memory`, and of `useful` the training, from the turns of `training`: a GPU's time is dear.

    Args:
        setting: `training` stands in its results.
        turns: Of encoding and of the product.
        rows: Of `inference` and of `training`.
    """
    place = Path(tempfile.mkdtemp())
    learning = kept(setting, "training")["turns"]
    memory = {"Trainer, batch 32": learning["Trainer, defaults"], "full": learning["full"]}
    keep(setting, "memory", {"rows": rows["training"], "figure": "peak_bytes", "turns": memory})
    trained = useful_operations(setting, reviews(rows["training"], place / "training.csv"))[1]
    data = reviews(rows["inference"], place / "inference.csv")
    encoded = useful_operations(setting, data)[0]
    again = iter(learning["full"])
    contestants: dict[str, Turn] = {
        "matrix product": lambda _: {"seconds": 1e12 / product_rate()},
        "encoding": encoding(setting, data, encoded),
        "full, training": lambda _: {"seconds": 1e12 / trained * next(again)["loop_seconds"]},
    }
    in_turns(setting, "useful", contestants, turns, {"rows": rows["training"], "figure": "seconds"})


def texts_of(data: Path) -> list[str]:
    """The texts of a CSV."""
    with data.open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def useful_operations(setting: Setting, data: Path) -> tuple[float, float]:
    """Of encoding the texts of `data`, and of one epoch of `full` on them with its validation.

    `full` computes the uppermost layer for the first token alone, and gives minilm one more for that.
    """
    texts, layers = texts_of(data), int(read_config(setting.files)["num_hidden_layers"])
    below = layers if trained_on_means(setting.files) else layers - 1
    validated = texts_of(Path(str(all_rows_train(data)[1])))
    return operations(setting, texts, layers, 0), 3 * operations(setting, texts, below, 1) + operations(
        setting, validated, below, 1
    )


def operations(setting: Setting, texts: list[str], layers: int, first_token_layers: int) -> float:
    """Of a BERT's layers, forward: 12 multiply-adds a token and squared width, and 2 a pair of tokens and width.

    A layer that is computed for the first token alone still makes every token's key and value.
    """
    width = int(read_config(setting.files)["hidden_size"])
    tokens = Tokenizer(setting.files, 250, "truncate").encode(texts).lengths.astype(float)
    whole = layers * (24 * width**2 * tokens + 4 * width * tokens**2)
    return float((whole + first_token_layers * 4 * width**2 * tokens).sum())


def product_rate() -> float:
    """Operations a second of the fastest of some square matrix products."""
    import torch

    prepare()
    runtime = choose()
    wait = torch.cuda.synchronize if runtime.device == "cuda" else lambda: None
    rates = []
    for size in (1_024, 2_048, 4_096, *((8_192,) if runtime.device == "cuda" else ())):
        a = torch.randn(size, size, dtype=getattr(torch, runtime.precision), device=runtime.device)
        for _ in range(5):
            wait()
            begun = time.perf_counter()
            a @ a
            wait()
            rates.append(2 * size**3 / (time.perf_counter() - begun))
    return max(rates)


def memory(setting: Setting, turns: int, rows: int) -> None:
    """Peak memory of full fine-tuning, the Trainer's batch at 32; all rows train, as memory grows over some steps."""
    data = reviews(rows, Path(tempfile.mkdtemp()) / "rows.csv")
    rest = all_rows_train(data)
    contestants: dict[str, Turn] = {
        "Trainer, batch 32": lambda _: peer("trainer.py", data, setting.folder, "--batch-size", 32),
        "full": lambda _: ours(data, *setting.flags, "--method", "full", "--epochs", 1, *rest),
    }
    in_turns(setting, "memory", contestants, turns, {"rows": rows, "figure": "peak_bytes"})


def startup(setting: Setting, turns: int, _rows: int) -> None:
    """`trifold --help`."""

    def run(_place: Path) -> dict[str, float]:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "trifold", "--help"], capture_output=True, check=True)
        return {"seconds": time.perf_counter() - begun}

    in_turns(setting, "startup", {"trifold --help": run}, max(5, turns), {"figure": "seconds"})


TABLES = {
    "notebook": (notebook, 2_000),
    "head": (head, 10_000),
    "training": (training, 192),
    "lora": (lora, 192),
    "inference": (inference, 256),
    "useful": (useful, 768),
    "memory": (memory, 1_024),
    "startup": (startup, 0),
}
# Rows that keep a GPU busy for seconds. A backbone of random weights learns nothing, and training stops where nothing
# has moved after 200 steps.
GPU_ROWS = {"inference": 1_024, "training": 1_600, "lora": 1_200}
GPU_TABLES = ("inference", "training", "useful", "lora")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, "all", []])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--tokenizer")
    parser.add_argument("--machine")
    given = parser.parse_args()
    if not (given.gpu or given.tables):
        parser.error("name a table, all, or --gpu")
    if given.gpu and not set(given.tables) <= set(GPU_TABLES):
        parser.error(f"on a GPU there are {', '.join(GPU_TABLES)}")
    if given.gpu:
        setting = on_gpu(given.tokenizer)
        rows = {table: given.rows or count for table, count in GPU_ROWS.items()}
        for table in given.tables or GPU_TABLES:
            if table in rows:
                TABLES[table][0](setting, given.turns, rows[table])
            else:
                read_again(setting, given.turns, rows)
        return
    for table in TABLES if "all" in given.tables else given.tables:
        run, usual = TABLES[table]
        run(on_cpu(given.machine), given.turns, given.rows or usual)


if __name__ == "__main__":
    main()
