"""Nineteen to one: does `--class-weight balanced` help every method?

    python benchmarks/imbalance.py

SST-2 phrases of six words and more, 2,000 to learn from and 4,000 others to test on, each 95 % of one class, for every
method with and without weights. Keeps, under results/imbalance/, the raw rows of each run (row id, label, prediction,
probability) and facts.json. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from provenance import provenance
from result_tables import labelled_texts, read_csv, replace_run

RESULTS = Path(__file__).parent / "results" / "imbalance"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
METHODS = ("tfidf", "features", "adapter-lora", "adapter-bottleneck", "full")
TRAIN, TEST, RARE = 2_000, 4_000, 0.05


def main() -> None:
    """Write both files, then run every method twice."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    rows = labelled_texts(DATA / "sst2" / "train.parquet")
    long = sorted({(text.strip(), label) for text, label in rows if len(text.split()) >= 6})
    rng = random.Random(1)
    rng.shuffle(long)
    by_class = {label: iter([row for row in long if row[1] == label]) for label in (0, 1)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, count in (("train", TRAIN), ("test", TEST)):
            rare = round(RARE * count)
            drawn = [next(by_class[0]) for _ in range(rare)] + [next(by_class[1]) for _ in range(count - rare)]
            rng.shuffle(drawn)
            with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([("text", "label"), *drawn])
        for method in METHODS:
            for weight in ("none", "balanced"):
                run(folder, method, weight)
    facts = {
        **provenance(),
        "backbone": "sentence-transformers/all-MiniLM-L6-v2",
    }
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def run(folder: Path, method: str, weight: str) -> None:
    """One training, its raw rows kept."""
    target = folder / f"{method}-{weight}"
    command = [sys.executable, "-m", "trifold", "finetune", str(folder / "train.csv"), "--method", method]
    flags = ["--class-weight", weight, "--test-file", str(folder / "test.csv"), "--output-dir", str(target), "--json"]
    subprocess.run([*command, *flags], check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((target / "metrics.json").read_text())
    replace_run(RESULTS / "rows.parquet", f"{method}-{weight}", read_csv(target / "predictions.csv"))
    print(f"{method} {weight}: macro-F1 {metrics['macro_f1']['value']:.4f}", flush=True)
    shutil.rmtree(target)


if __name__ == "__main__":
    main()
