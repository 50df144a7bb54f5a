"""What speed costs in accuracy: every option beside plain single precision, on SST-2 and TREC, three seeds each.

    python benchmarks/options.py [full] [features]

Keeps results/options.json and, of every run, the raw rows in results/options.csv; of methods that are not named they
stay as they are. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from accuracy import RESULTS as ACCURACY
from accuracy import RUNS, SEEDS, Experiment, experiments
from provenance import provenance
from trifold.runtime import usable_cores

RESULTS = ACCURACY.parent
# Of each method: its options, and the flags that ask for them. The first is what the others are set beside.
TRAINED: dict[str, dict[str, tuple[str, ...]]] = {
    "full": {
        "float32": ("--precision", "float32"),
        "default": (),
        "freeze-embeddings": ("--freeze-embeddings",),
    },
    "features": {
        "float32": ("--precision", "float32"),
        "default": (),
        "int8": ("--engine", "int8"),
    },
}
# Written from a run of `full` by default, and asked for the same test rows.
EXPORTED: dict[str, tuple[str, ...]] = {"exported": (), "exported-int8": ("--int8", "--max-drop", "100")}
Row = tuple[str, ...]


def trifold(*arguments: object) -> None:
    """One command, on one thread: no time is measured, and two of them finish sooner than one on two cores."""
    subprocess.run(
        [sys.executable, "-m", "trifold", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def read(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def replace_runs(path: Path, rows: list[Row], replaced: Callable[[str, str], bool]) -> None:
    """Keep who said what of which row in a CSV, in place of the runs there whose data and method are `replaced`."""
    before = [tuple(row.values()) for row in (read(path) if path.exists() else [])]
    rows = [row for row in before if not replaced(*row[1].split("-")[:2])] + rows
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("option", "run", "row", "label", "prediction"), *rows])


def main() -> None:
    """Train, export, and keep who said what of which row."""
    methods = sys.argv[1:] or list(TRAINED)
    samples = {data: experiments(data)[0] for data in ("trec", "sst2")}
    jobs = [
        (sample, method, option, f"{data}-{method}-seed{seed}", seed)
        for method in methods
        for option in TRAINED[method]
        for data, sample in samples.items()
        for seed in SEEDS
    ]
    with ThreadPoolExecutor(usable_cores()) as pool:
        found = list(pool.map(lambda job: said(*job), jobs))
    table, about = RESULTS / "options.csv", RESULTS / "options.json"
    before = json.loads(about.read_text()) if about.exists() else {"precision": {}, "methods": {}}
    replace_runs(table, [row for own, _ in found for row in own], lambda _, method: method in methods)
    precisions = {f"{method} {option}": one for (_, method, option, *_), (_, one) in zip(jobs, found, strict=True)}
    facts = {
        "backbone": "minilm",
        "precision": {**before["precision"], **precisions},
        "methods": {**before["methods"], **dict.fromkeys(methods, provenance())},
    }
    about.write_text(json.dumps(facts, indent=1) + "\n")


def said(
    sample: Experiment, method: str, option: str, name: str, seed: int, *, exported: bool = True
) -> tuple[list[Row], str]:
    """What one training says of the test rows, its exports too where they are asked for; and its precision."""
    test = sample.flags[sample.flags.index("--test-file") + 1]
    folder = fresh(RUNS / f"options-{option}-{name}")
    asked = ("--method", method, "--seed", seed, "--test-file", test, *TRAINED[method][option])
    trifold("finetune", sample.data, *asked, "--output-dir", folder)
    predicted = read(folder / "predictions.csv")
    rows: list[Row] = [(option, name, row["row"], row["label"], row["prediction"]) for row in predicted]
    if exported and (method, option) == ("full", "default"):
        rows += exports(folder, name, test)
    precision = str(json.loads((folder / "run.json").read_text())["choices"]["precision"])
    print(option, name, flush=True)
    shutil.rmtree(folder)
    return rows, precision


def exports(run: Path, name: str, test: str) -> list[Row]:
    """What a run's exports say of the test rows."""
    rows: list[Row] = []
    for option, flags in EXPORTED.items():
        folder = fresh(run.with_name(f"{run.name}-{option}"))
        trifold("export", run, *flags, "--output-dir", folder)
        trifold("predict", folder, test, "--output", run / "said.csv")
        predicted = enumerate(read(run / "said.csv"))
        rows += [(option, name, str(number), row["label"], row["prediction"]) for number, row in predicted]
        shutil.rmtree(folder)
    return rows


def fresh(folder: Path) -> Path:
    """The folder's path, with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


if __name__ == "__main__":
    main()
