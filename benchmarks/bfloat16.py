"""What bfloat16 costs `full` on TREC, ten seeds in pairs: the three of options.py do not tell 0.3 points from none.

    python benchmarks/bfloat16.py

Keeps results/bfloat16.json and the raw rows in results/bfloat16.csv. Needs TRIFOLD_DATA.
"""

import json
from concurrent.futures import ThreadPoolExecutor

from accuracy import RESULTS, experiments
from options import Row, said, write
from provenance import provenance
from trifold.runtime import usable_cores

SEEDS = range(1, 11)


def main() -> None:
    """Train, and keep who said what of which row."""
    sample = experiments("trec")[0]
    jobs = [(option, seed) for seed in SEEDS for option in ("float32", "default")]

    def rows(option: str, seed: int) -> list[Row]:
        return said(sample, "full", option, f"trec-full-seed{seed}", seed, exported=False)[0]

    with ThreadPoolExecutor(usable_cores()) as pool:
        found = list(pool.map(lambda job: rows(*job), jobs))
    write(RESULTS.parent / "bfloat16.csv", [row for run in found for row in run])
    facts = {"backbone": "minilm", **provenance()}
    (RESULTS.parent / "bfloat16.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
