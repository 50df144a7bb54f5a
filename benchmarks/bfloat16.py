"""What bfloat16 costs `full` on TREC, ten seeds in pairs: the three of options.py do not tell 0.3 points from none.

    python benchmarks/bfloat16.py

Keeps results/bfloat16.json and the raw rows in results/bfloat16.csv. Needs TRIFOLD_DATA.
"""

import csv
import json
from concurrent.futures import ThreadPoolExecutor

from accuracy import RESULTS, experiments
from options import said
from provenance import provenance
from trifold.runtime import usable_cores

SEEDS = range(1, 11)


def main() -> None:
    """Train, and keep who said what of which row."""
    sample = experiments("trec")[0]
    jobs = [(option, seed) for seed in SEEDS for option in ("float32", "default")]

    def rows(option: str, seed: int) -> list[tuple[str, ...]]:
        return said(sample, "full", option, f"trec-full-seed{seed}", seed, exported=False)[0]

    with ThreadPoolExecutor(usable_cores()) as pool:
        found = list(pool.map(lambda job: rows(*job), jobs))
    with (RESULTS.parent / "bfloat16.csv").open("w", newline="", encoding="utf-8") as file:
        header = ("option", "run", "row", "label", "prediction")
        csv.writer(file, lineterminator="\n").writerows([header, *(row for run in found for row in run)])
    facts = {"backbone": "minilm", **provenance()}
    (RESULTS.parent / "bfloat16.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
