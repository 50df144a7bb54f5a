"""Pairs of texts: which method tells paraphrases from pairs of sentences that only share a subject?

    python benchmarks/pairs.py [METHODS]

Pairs of STS-B whose similarity is 4 and more are `paraphrase`, those of 2 and less are `different`, the others are left
out: training and validation from its training rows, test rows from its development rows, on which nothing is chosen.
Runs `trifold compare --task pairs` once, of all methods or of those named with commas between, and then those that are
trained by steps with two more seeds. Keeps, under results/pairs/, the raw rows of each run (row id, label, prediction,
probability) in rows.parquet, and facts.json; what other runs left there stays. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from provenance import provenance
from result_tables import read_csv, read_rows, replace_run

RESULTS = Path(__file__).parent / "results" / "pairs"
FACTS = RESULTS / "facts.json"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
KEPT = ("row", "label", "prediction", "probability")
TRAINED, SEEDS = ("adapter-lora", "adapter-bottleneck", "full"), (1, 2)


def main() -> None:
    """Write both files, compare, and repeat what has a seed."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    methods = sys.argv[1] if len(sys.argv) > 1 else ""
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [write_pairs(DATA / "stsb" / f"{part}.parquet", folder / f"{part}.csv") for part in ("train", "dev")]
        asked = [str(files[0]), "--task", "pairs", "--test-file", str(files[1])]
        compared = folder / "compare"
        trifold("compare", *asked, *(["--methods", methods] if methods else []), "--output-dir", str(compared))
        for place in sorted(path.parent for path in compared.glob("*/predictions.csv") if path.parent.name != "best"):
            kept[place.name] = keep(place.name, place)
        for method in (name for name in TRAINED if name in kept):
            for seed in SEEDS:
                target = folder / f"{method}-seed{seed}"
                trifold("finetune", *asked, "--method", method, "--seed", str(seed), "--output-dir", str(target))
                kept[target.name] = keep(target.name, target)
    made = {**provenance(), "backbone": "sentence-transformers/all-MiniLM-L6-v2"}
    before = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    FACTS.write_text(
        json.dumps({**before, **{run: {**made, **figures} for run, figures in kept.items()}}, indent=1) + "\n"
    )


def write_pairs(source: Path, target: Path) -> Path:
    """The clear pairs of a part of STS-B as CSV."""
    rows = [(row["sentence1"], row["sentence2"], row["score"]) for row in read_rows(source)]
    clear = [
        (one, other, "paraphrase" if score >= 4 else "different") for one, other, score in rows if not 2 < score < 4
    ]
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("sentence1", "sentence2", "label"), *clear])
    return target


def trifold(*arguments: str) -> None:
    """Run a command, its report on standard output."""
    subprocess.run([sys.executable, "-m", "trifold", *arguments], check=True)


def keep(run: str, folder: Path) -> dict[str, Any]:
    """Keep a run's raw rows; its figures and what it took."""
    rows = ({name: row[name] for name in KEPT} for row in read_csv(folder / "predictions.csv"))
    replace_run(RESULTS / "rows.parquet", run, rows)
    record, metrics = (json.loads((folder / name).read_text()) for name in ("run.json", "metrics.json"))
    taken = {name: record[name] for name in ("train_seconds", "ms_per_text", "size_bytes", "peak_memory_bytes")}
    shutil.rmtree(folder / "model", ignore_errors=True)
    return {"accuracy": metrics["accuracy"], "macro_f1": metrics["macro_f1"]["value"], **taken}


if __name__ == "__main__":
    main()
