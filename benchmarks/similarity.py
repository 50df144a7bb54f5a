"""Similarity of sentences on STS-B: every method of --task similarity, learned from its training part.

    python benchmarks/similarity.py METHOD[-seedN] ... | all

Each training runs the command line as a user would, on stsb/train, and is tested on stsb/dev, on which nothing was
chosen. Kept under results/similarity/ are a JSON file with the figures, command, commit, machine and versions, and in
rows.parquet the raw rows (run, row id, true score, predicted score, cosine), from which a test recomputes the figures.
Runs stand in build/similarity/ until their figures are kept, and one that was interrupted goes on where it was. Takes
some 45 minutes on two cores. Needs TRIFOLD_DATA.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from accuracy import keep

RESULTS = Path(__file__).parent / "results" / "similarity"
RUNS = Path(__file__).parents[1] / "build" / "similarity"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "stsb"
EVERY = (
    *("tfidf", "zero-shot", "features-seed1", "adapter-lora-seed1"),
    *("full-seed1", "full-seed2", "full-seed3"),
)


def run(name: str) -> None:
    """Train and test a method, and keep what it found."""
    method, _, seed = name.partition("-seed")
    flags = ["--task", "similarity", "--method", method, "--test-file", str(DATA / "dev.parquet")]
    flags += ["--seed", seed] if seed else []
    folder = RUNS / name
    command = [sys.executable, "-m", "trifold", "finetune", str(DATA / "train.parquet"), *flags]
    subprocess.run([*command, "--output-dir", str(folder), "--resume"], check=True)
    keep(name, folder, RESULTS)
    print(name, json.loads((folder / "metrics.json").read_text())["spearman"], flush=True)
    shutil.rmtree(folder)


def main() -> None:
    """Run the methods named on the command line."""
    names = EVERY if sys.argv[1:] == ["all"] else sys.argv[1:]
    if not names or not DATA.is_dir():
        raise SystemExit(__doc__)
    for name in names:
        run(name)


if __name__ == "__main__":
    main()
