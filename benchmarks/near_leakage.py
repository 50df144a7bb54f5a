"""What it costs that near-duplicates of tested rows leave training: rows, and accuracy with and without them.

    python benchmarks/near_leakage.py DATA                   some two minutes on two cores
    python benchmarks/near_leakage.py DATA --rows            only how many rows leave, at several thresholds and lengths

DATA is a folder with data sets. Every set is a training file, split as every command splits it. Keeps
results/near_leakage/predictions.parquet (for every test row its label, and what was predicted by a tfidf trained with
and one trained without the near-duplicates) and facts.json.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from provenance import provenance
from trifold import TextClassifier
from trifold.data import leakage
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.types import Split

RESULTS = Path(__file__).parent / "results" / "near_leakage"
SETS = ("trec/train.parquet", "ag_news/train.parquet", "imdb/movie.csv", "sst2/train.parquet")
METHOD = "tfidf"


def split_of(path: Path, threshold: float, characters: float) -> Split:
    """A file's split, with other limits of what is nearly the same."""
    before = leakage.NEAR_THRESHOLD, leakage.NEAR_CHARACTERS
    leakage.NEAR_THRESHOLD, leakage.NEAR_CHARACTERS = threshold, characters  # type: ignore[assignment]
    try:
        return split_examples(load_examples(path, DataSettings(label_column="label")).examples)
    finally:
        leakage.NEAR_THRESHOLD, leakage.NEAR_CHARACTERS = before


def print_rows(data: Path) -> None:
    """How many rows leave, by threshold and least length."""
    for name in SETS:
        for threshold in (0.7, 0.8, 0.9):
            for characters in (0, 30, 50, 80):
                begun = time.perf_counter()
                split = split_of(data / name, threshold, characters)
                seconds = time.perf_counter() - begun
                print(
                    f"{name:<24} {threshold} {characters:>3}: {len(split.train):,} stay, near "
                    f"{split.near_training:,} + {split.near_validation:,}, all {split.left_training:,} + "
                    f"{split.left_validation:,}, {seconds:.1f} s {split.notes}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", action="store_true")
    chosen = parser.parse_args()
    if chosen.rows:
        print_rows(chosen.data)
        return
    columns: dict[str, list[object]] = {name: [] for name in ("data", "row", "label", "without", "with")}
    facts: dict[str, object] = {}
    for name in SETS:
        begun = time.perf_counter()
        without = split_of(chosen.data / name, leakage.NEAR_THRESHOLD, leakage.NEAR_CHARACTERS)
        seconds = time.perf_counter() - begun
        whole = split_of(chosen.data / name, leakage.NEAR_THRESHOLD, np.inf)
        facts[name] = {
            "training": len(without.train),
            "left_training": without.left_training,
            "near_training": without.near_training,
            "left_validation": without.left_validation,
            "near_validation": without.near_validation,
            "seconds": seconds,
        }
        print(name, facts[name], flush=True)
        predictions = []
        for split in (without, whole):
            rows = split.train + split.validation
            classifier = TextClassifier(METHOD).fit(list(rows.texts), list(rows.labels))
            predictions.append([str(label) for label in classifier.predict(list(split.test.texts))])
        labels = [str(label) for label in without.test.labels]
        accuracies = [np.mean(np.array(found) == np.array(labels)) for found in predictions]
        print(name, "without and with: {:.4f} {:.4f}".format(*accuracies), flush=True)
        columns["data"] += [name] * len(labels)
        columns["row"] += without.test.rows
        columns["label"] += labels
        columns["without"] += predictions[0]
        columns["with"] += predictions[1]
    RESULTS.mkdir(parents=True, exist_ok=True)
    table = pa.table({k: pa.array(v) if k == "row" else pa.array(v).dictionary_encode() for k, v in columns.items()})
    pq.write_table(table, RESULTS / "predictions.parquet", compression="zstd")
    limits = {"threshold": leakage.NEAR_THRESHOLD, "characters": leakage.NEAR_CHARACTERS}
    (RESULTS / "facts.json").write_text(
        json.dumps({**provenance(), **limits, "method": METHOD, "sets": facts}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
