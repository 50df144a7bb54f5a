"""What speed costs: `full` as it is, and with frozen embeddings, on SST-2 and TREC, three seeds each.

    python benchmarks/options.py

Keeps results/options.json and, of every run, the raw rows in results/options.csv. Needs TRIFOLD_DATA.
"""

import csv
import json
import shutil
import subprocess
import sys

from accuracy import RESULTS as ACCURACY
from accuracy import RUNS, experiments
from provenance import provenance

RESULTS = ACCURACY.parent
OPTIONS: dict[str, tuple[str, ...]] = {"default": (), "freeze-embeddings": ("--freeze-embeddings",)}


def main() -> None:
    """Train, and keep who said what of which row."""
    rows: list[tuple[str, ...]] = []
    precision = set()
    for option, flags in OPTIONS.items():
        for one in [*experiments("trec"), *experiments("sst2")]:
            folder = RUNS / f"options-{option}-{one.name}"
            shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "trifold", "finetune", str(one.data), *one.flags, *flags]
            subprocess.run([*command, "--output-dir", str(folder)], check=True)
            with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
                rows += [(option, one.name, r["row"], r["label"], r["prediction"]) for r in csv.DictReader(file)]
            precision.add(json.loads((folder / "run.json").read_text())["choices"]["precision"])
            shutil.rmtree(folder)
    with (RESULTS / "options.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("option", "run", "row", "label", "prediction"), *rows])
    facts = {"backbone": "minilm", "precision": sorted(precision), **provenance()}
    (RESULTS / "options.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
