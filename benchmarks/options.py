"""What speed costs in accuracy: every option beside plain single precision, on SST-2 and TREC, three seeds each.

    python benchmarks/options.py [full] [features]

Keeps results/options.json and, of every run, the raw rows in results/options.parquet; of methods that are not named
they stay as they are. Needs TRIFOLD_DATA.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from accuracy import RESULTS as ACCURACY
from accuracy import RUNS, SEEDS, Experiment, experiments
from provenance import provenance
from result_tables import Row, read_csv, replace_rows
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


def trifold(*arguments: object) -> None:
    """One command, on one thread: no time is measured, and two of them finish sooner than one on two cores."""
    subprocess.run(
        [sys.executable, "-m", "trifold", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


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
    table, about = RESULTS / "options.parquet", RESULTS / "options.json"
    before = json.loads(about.read_text()) if about.exists() else {"precision": {}, "methods": {}}
    rows = [row for own, _ in found for row in own]
    replace_rows(table, rows, lambda row: row["run"].split("-")[1] in methods)
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
    rows = [answer(option, name, row["row"], row) for row in read_csv(folder / "predictions.csv")]
    if exported and (method, option) == ("full", "default"):
        rows += exports(folder, name, test)
    precision = str(json.loads((folder / "run.json").read_text())["choices"]["precision"])
    print(option, name, flush=True)
    shutil.rmtree(folder)
    return rows, precision


def answer(option: str, run: str, number: int, row: Row) -> Row:
    """What is kept of a test row."""
    return {"option": option, "run": run, "row": number, "label": row["label"], "prediction": row["prediction"]}


def exports(run: Path, name: str, test: str) -> list[Row]:
    """What a run's exports say of the test rows."""
    rows: list[Row] = []
    for option, flags in EXPORTED.items():
        folder = fresh(run.with_name(f"{run.name}-{option}"))
        trifold("export", run, *flags, "--output-dir", folder)
        trifold("predict", folder, test, "--output", run / "said.csv")
        rows += [answer(option, name, number, row) for number, row in enumerate(read_csv(run / "said.csv"))]
        shutil.rmtree(folder)
    return rows


def fresh(folder: Path) -> Path:
    """The folder's path, with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


if __name__ == "__main__":
    main()
