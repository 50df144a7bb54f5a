"""Eight labelled rows a class: which method makes the most of them?

    python benchmarks/few_labels.py [SEEDS]

AG News, ten draws of 8 rows a class (32 in all), each tested on 1,000 other training rows. Keeps, under
results/few_labels/, the raw rows of every draw and method (row id, label, prediction, probability) and a JSON file with
command, commit, machine and versions. The last 3,001 rows of the file are left alone: the method was tuned on them.
Needs TRIFOLD_DATA.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from provenance import provenance
from result_tables import labelled_texts, replace_run
from trifold import TextClassifier

RESULTS = Path(__file__).parent / "results" / "few_labels"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
METHODS = ("contrastive", "features", "full")
ROWS_A_CLASS, TEST_ROWS, LEFT_ALONE = 8, 1_000, 3_001


def main() -> None:
    """Run all draws, one after the other."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    rows = labelled_texts(DATA / "ag_news" / "train.parquet")[:-LEFT_ALONE]
    labels = np.array([label for _, label in rows])
    RESULTS.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        drawn = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:ROWS_A_CLASS] for c in np.unique(labels)])
        test = rng.permutation(np.setdiff1d(np.arange(len(rows)), drawn))[:TEST_ROWS]
        for method in METHODS:
            begun = time.perf_counter()
            classifier = TextClassifier(method, seed=seed).fit([rows[i][0] for i in drawn], labels[drawn].tolist())
            seconds[method].append(round(time.perf_counter() - begun, 2))
            probabilities = classifier.predict_proba([rows[i][0] for i in test])
            keep(f"{method}-seed{seed}", test, labels[test], probabilities, classifier.classes_)
            accuracy = (classifier.classes_[probabilities.argmax(axis=1)] == labels[test]).mean()
            print(f"{method} seed {seed}: {100 * accuracy:.1f} %", flush=True)
    facts = {
        **provenance(),
        "backbone": "sentence-transformers/all-MiniLM-L6-v2",
        "fit_seconds": seconds,
    }
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def keep(name: str, ids: np.ndarray, truth: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> None:
    """Write the raw rows of one draw."""
    best = probabilities.argmax(axis=1)
    columns = zip(ids.tolist(), truth, classes[best], probabilities.max(axis=1).tolist(), strict=True)
    rows = [
        {"row": row, "label": str(label), "prediction": str(prediction), "probability": round(probability, 6)}
        for row, label, prediction, probability in columns
    ]
    replace_run(RESULTS / "rows.parquet", name, rows)


if __name__ == "__main__":
    main()
