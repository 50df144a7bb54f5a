"""What speed costs in accuracy: every option beside plain single precision, on SST-2 and TREC, three seeds each.

    python benchmarks/options.py

Keeps results/options.json and, of every run, the raw rows in results/options.csv. Needs TRIFOLD_DATA.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from accuracy import RESULTS as ACCURACY
from accuracy import RUNS, SEEDS, experiments
from provenance import provenance

RESULTS = ACCURACY.parent
# Of each method: its options, and the flags that ask for them. The first is what the others are set beside.
TRAINED: dict[str, dict[str, tuple[str, ...]]] = {
    "full": {
        "float32": ("--precision", "float32"),
        "default": (),
        "freeze-embeddings": ("--freeze-embeddings",),
        "train-layers-3": ("--train-layers", "3"),
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
    """One command."""
    subprocess.run([sys.executable, "-m", "trifold", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def read(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Train, export, and keep who said what of which row."""
    rows: list[Row] = []
    precisions = {}
    for data in ("trec", "sst2"):
        (experiment, *_) = experiments(data)
        test = experiment.flags[experiment.flags.index("--test-file") + 1]
        for method, options in TRAINED.items():
            for option, flags in options.items():
                for seed in SEEDS:
                    name = f"{data}-{method}-seed{seed}"
                    folder = fresh(RUNS / f"options-{option}-{name}")
                    asked = ("--method", method, "--seed", seed, "--test-file", test, *flags)
                    trifold("finetune", experiment.data, *asked, "--output-dir", folder)
                    said = read(folder / "predictions.csv")
                    rows += [(option, name, row["row"], row["label"], row["prediction"]) for row in said]
                    run = json.loads((folder / "run.json").read_text())
                    precisions[f"{method} {option}"] = run["choices"]["precision"]
                    if (method, option) == ("full", "default"):
                        rows += exports(folder, name, test)
                    shutil.rmtree(folder)
    with (RESULTS / "options.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("option", "run", "row", "label", "prediction"), *rows])
    facts = {"backbone": "minilm", "precision": precisions, **provenance()}
    (RESULTS / "options.json").write_text(json.dumps(facts, indent=1) + "\n")


def exports(run: Path, name: str, test: str) -> list[Row]:
    """What a run's exports say of the test rows."""
    rows: list[Row] = []
    for option, flags in EXPORTED.items():
        folder = fresh(run.with_name(f"{run.name}-{option}"))
        trifold("export", run, *flags, "--output-dir", folder)
        trifold("predict", folder, test, "--output", run / "said.csv")
        said = read(run / "said.csv")
        rows += [(option, name, str(number), row["label"], row["prediction"]) for number, row in enumerate(said)]
        shutil.rmtree(folder)
    return rows


def fresh(folder: Path) -> Path:
    """The folder's path, with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


if __name__ == "__main__":
    main()
