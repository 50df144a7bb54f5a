"""What bfloat16 costs `full`, ten seeds in pairs: the three of options.py do not tell 0.3 points from none.

    python benchmarks/bfloat16.py [trec] [sst2]

Keeps results/bfloat16.json and the raw rows in results/bfloat16.parquet; of data that are not named they stay as
they are. Needs TRIFOLD_DATA.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from accuracy import RESULTS, experiments
from options import said
from provenance import provenance
from result_tables import Row, replace_rows
from trifold.runtime import usable_cores

SEEDS = range(1, 11)
TABLE = RESULTS.parent / "bfloat16.parquet"


def main() -> None:
    """Train, and keep who said what of which row."""
    named = sys.argv[1:] or ["trec", "sst2"]
    samples = {data: experiments(data)[0] for data in named}
    jobs = [(data, option, seed) for data in named for seed in SEEDS for option in ("float32", "default")]

    def rows(data: str, option: str, seed: int) -> list[Row]:
        return said(samples[data], "full", option, f"{data}-full-seed{seed}", seed, exported=False)[0]

    with ThreadPoolExecutor(usable_cores()) as pool:
        found = [row for run in pool.map(lambda job: rows(*job), jobs) for row in run]
    replace_rows(TABLE, found, lambda row: row["run"].partition("-")[0] in named)
    about = TABLE.with_suffix(".json")
    others = json.loads(about.read_text())["data"] if about.exists() else {}
    facts = {"backbone": "minilm", "data": {**others, **dict.fromkeys(named, provenance())}}
    about.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
