"""Several labels a row, and few rows: are thresholds chosen on 320 validation rows any good?

    python benchmarks/several_labels.py

Three draws of 2,000 comments of GoEmotions with their 28 emotions, split as every command splits, by `features` and
`tfidf`: with the thresholds that are chosen, with one common to all labels, and with one of 0.1. The rule itself was
chosen on other draws (log/other-methods.md). Keeps, under results/several_labels/, the raw rows of each (row id, label,
prediction, probability) in rows.parquet and facts.json. Logits stand in build/several_labels/, so that another rule
needs no training. Needs TRIFOLD_DATA.
"""

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from provenance import provenance
from result_tables import read_rows, replace_run
from trifold.data.split import split_examples
from trifold.inference.predict import score_texts
from trifold.methods.catalogue import method_entry
from trifold.methods.settings import MethodSettings
from trifold.runtime import prepare_own
from trifold.statistics.metrics import measure
from trifold.statistics.thresholds import common_threshold, label_thresholds
from trifold.tasks.labels import LabelMap, as_text
from trifold.types import Examples

RESULTS = Path(__file__).parent / "results" / "several_labels"
LOGITS = Path(__file__).parents[1] / "build" / "several_labels"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
METHODS, SEEDS, ROWS = ("tfidf", "features"), (1, 2, 3), 2_000
RULES = {
    "per-label": label_thresholds,
    "common": lambda probabilities, truth: (common_threshold(probabilities, truth),) * truth.shape[1],
    "0.1": lambda _, truth: (0.1,) * truth.shape[1],
}


def main() -> None:
    """Train on every draw, and measure every rule."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    prepare_own()
    comments = read_rows(DATA / "goemotions" / "train.parquet")
    for method in METHODS:
        for seed in SEEDS:
            measure_rules(method, seed, drawn(comments, seed))
    (RESULTS / "facts.json").write_text(json.dumps({**provenance(), "rows": ROWS}, indent=1) + "\n")


def drawn(comments: list[dict[str, str]], seed: int) -> Examples:
    """A draw of comments."""
    rows = random.Random(seed).sample(comments, ROWS)
    texts, labels = ([row[name] for row in rows] for name in ("text", "labels"))
    return Examples(tuple(range(ROWS)), tuple(texts), tuple(tuple(found.split("|")) for found in labels))


def measure_rules(method: str, seed: int, examples: Examples) -> None:
    """Keep what each rule answers of the test part."""
    split, labels = split_examples(examples), LabelMap.of(examples.labels)
    path = LOGITS / f"{method}-{ROWS}-{seed}.npz"
    if not path.exists():
        fitted = method_entry(method).load()(MethodSettings()).fit(split.train, split.validation, labels)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, vl=fitted.validation_logits, tl=score_texts(fitted.predictor, split.test.texts).logits)
    logits = np.load(path)
    validation, probabilities = (labels.probabilities(logits[part]) for part in ("vl", "tl"))
    truth = labels.encode(split.test.labels)
    for name, rule in RULES.items():
        chosen = replace(labels, thresholds=rule(validation, labels.encode(split.validation.labels)))
        decided = chosen.decide(probabilities)
        sure, answers = chosen.confidence(probabilities, decided), chosen.decode(decided)
        rows = [
            {"row": row, "label": as_text(label), "prediction": as_text(answer), "probability": round(float(one), 6)}
            for row, label, answer, one in zip(split.test.rows, split.test.labels, answers, sure, strict=True)
        ]
        replace_run(RESULTS / "rows.parquet", f"{method}-{name}-seed{seed}", rows)
        found = measure(truth, decided, probabilities)
        print(
            f"{method} {name} seed {seed}: macro-F1 {100 * found.macro_f1.value:.1f} %, micro-F1 "
            f"{100 * found.micro_f1:.1f} %, exact match {100 * found.accuracy.value:.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
