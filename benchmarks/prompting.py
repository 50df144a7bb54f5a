"""Prompting a real language model beside learning: which makes more of 32, 128 and 1,000 labels?

    python benchmarks/prompting.py [DATA …] [--labels 32,128,1000] [--draws 1]

DATA: sst2, ag_news, trec, imdb. Of each data set's training rows some are drawn, as many of each class as there are;
they are all that any method gets, for learning, for examples in the prompt, and for validation. `prompt` asks
gemma-270m (the base model google/gemma-3-270m) with no example, with 4, 16 and 32, balanced or nearest to each text;
`tfidf`, `features` and `full` learn with minilm. Tested on other rows: all of SST-2's dev and TREC's test rows, and 400
other training rows each of AG News and IMDb. Reviews are cut at 128 tokens for `prompt`, so that examples have room.

Keeps, under results/prompting/, the raw rows of each run (row, label, prediction, probability) and facts.json with the
seconds of each run's fit and predictions, command, commit, machine and versions; a run that is kept is left out.
docs/prompting.md has the table (`python benchmarks/prompting.py table`). Needs TRIFOLD_DATA and gemma-270m.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from provenance import provenance
from result_tables import labelled_texts, replace_run, rows_by_run
from trifold import TextClassifier
from trifold.statistics.calibration import calibration_error
from trifold.statistics.intervals import wilson

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "prompting", ROOT / "docs" / "prompting.md"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
LLM = "hf:gemma-270m"
SENTIMENT = {0: "negative", 1: "positive"}
TOPICS = {name: name for name in ("World", "Sports", "Sci/Tech", "Business")}
QUESTIONS = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "thing",
    "HUM": "person",
    "LOC": "place",
    "NUM": "number",
}
# Training rows, test rows (`None`: others of the training rows), the labels' words, and tokens of a prompted text.
SETS: dict[str, tuple[str, str | None, dict[Any, str], int]] = {
    "sst2": ("sst2/train", "sst2/dev", SENTIMENT, 128),
    "ag_news": ("ag_news/train", None, TOPICS, 128),
    "trec": ("trec/train", "trec/test", QUESTIONS, 128),
    "imdb": ("imdb/train", None, SENTIMENT, 128),
}
# Rows that every run of a data set is tested on.
TESTED = {"sst2": 872, "ag_news": 400, "trec": 500, "imdb": 400}
SHOTS = {32: (0, 4, 16), 128: (0, 4, 16, 32), 1000: (0, 32)}
LEARNING = ("tfidf", "features", "full")
# Phrases of SST-2 that are no sentence are no examples of what is tested.
LEAST_WORDS = {"sst2": 8}


def main() -> None:
    """Run what is asked for and not kept yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--labels", default="32,128,1000")
    parser.add_argument("--draws", type=int, default=1)
    asked = parser.parse_args()
    if asked.data == ["table"]:
        write_table()
        return
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for data in asked.data or SETS:
        for draw in range(asked.draws):
            for labels in map(int, asked.labels.split(",")):
                run_all(data, labels, draw)


def run_all(data: str, labels: int, draw: int) -> None:
    """Every method on one draw of labelled rows."""
    texts, truth, test_ids, test_texts, test_truth = drawn(data, labels, draw)
    words, length = SETS[data][2:]
    runs: dict[str, dict[str, Any]] = {method: {"method": method} for method in LEARNING}
    for shots in SHOTS[labels]:
        for choice in ("balanced", "nearest") if shots else ("balanced",):
            name = f"prompt-{shots}" + (f"-{choice}" if shots else "")
            runs[name] = {"method": "prompt", "llm": LLM, "shots": shots, "shot_choice": choice, "max_length": length}
            runs[name]["label_description"] = tuple(f"{label}={word}" for label, word in words.items())
    for name, settings in runs.items():
        run = f"{data} {labels} {draw} {name}"
        if run in facts():
            continue
        with tempfile.TemporaryDirectory() as folder:
            if settings["method"] == "prompt":
                # A log of its own, so that what is timed is computed.
                settings["log"] = Path(folder) / "log"
            begun = time.perf_counter()
            classifier = TextClassifier(seed=draw, verbose=False, **settings).fit(texts, truth)
            fitted = time.perf_counter()
            probabilities = classifier.predict_proba(test_texts)
            ended = time.perf_counter()
        keep(run, test_ids, test_truth, probabilities, classifier.classes_)
        took = {"fit_seconds": round(fitted - begun, 2), "ms_a_text": round(1000 * (ended - fitted) / len(test_ids), 2)}
        kept = {**provenance(), "backbones": ["minilm", "gemma-270m"], "runs": {**facts(), run: took}}
        (RESULTS / "facts.json").write_text(json.dumps(kept, indent=1) + "\n")
        accuracy = (classifier.classes_[probabilities.argmax(1)] == np.array(test_truth)).mean()
        print(run, f"{100 * accuracy:.1f} %", flush=True)


def drawn(data: str, labels: int, draw: int) -> tuple[list[str], list[Any], list[int], list[str], list[Any]]:
    """Rows to learn from, and row numbers, texts and labels of those to test on."""
    train, test, words, _ = SETS[data]
    rows = labelled_texts(DATA / f"{train}.parquet")
    rng = np.random.default_rng(draw)
    order = rng.permutation(len(rows))
    long_enough = [place for place in order if len(rows[place][0].split()) >= LEAST_WORDS.get(data, 1)]
    queues = {label: [place for place in long_enough if rows[place][1] == label] for label in words}
    chosen: list[int] = []
    while len(chosen) < labels:
        chosen += [queue.pop() for queue in queues.values() if queue]
    chosen = chosen[:labels]
    others = labelled_texts(DATA / f"{test}.parquet") if test else rows
    # Nearly the same test rows for every draw and number of labels: only those that are learned from are others.
    known = set(chosen) if test is None else set()
    places = [int(place) for place in np.random.default_rng(12345).permutation(len(others)) if place not in known]
    tested = sorted(places[: TESTED[data]])
    return (
        [rows[place][0] for place in chosen],
        [rows[place][1] for place in chosen],
        tested,
        [others[place][0] for place in tested],
        [others[place][1] for place in tested],
    )


def facts() -> dict[str, dict[str, float]]:
    """The runs that are kept, each with its seconds."""
    path = RESULTS / "facts.json"
    found: dict[str, dict[str, float]] = json.loads(path.read_text())["runs"] if path.exists() else {}
    return found


def keep(run: str, ids: list[int], truth: list[Any], probabilities: np.ndarray, classes: np.ndarray) -> None:
    """Write the raw rows of a run: each class's probability, in the order of the classes."""
    answers = classes[probabilities.argmax(axis=1)]
    rows = [
        {"row": row, "label": str(label), "prediction": str(answer), "probability": round(float(best), 6)}
        for row, label, answer, best in zip(ids, truth, answers, probabilities.max(axis=1), strict=True)
    ]
    replace_run(RESULTS / "rows.parquet", run, rows)


def table() -> list[str]:
    """The page's table, of the raw rows: a line for each method and number of labels, a column for each data set."""
    found: dict[tuple[int, str], dict[str, str]] = {}
    for run, rows in rows_by_run(RESULTS / "rows.parquet").items():
        data, labels, draw, name = run.split(" ")
        if draw != "0":
            continue
        right = sum(row["label"] == row["prediction"] for row in rows)
        low, high = wilson(right / len(rows), len(rows))
        found.setdefault((int(labels), name), {})[data] = (
            f"{100 * right / len(rows):.1f} ({100 * low:.0f} to {100 * high:.0f})"
        )
    sets = [data for data in SETS if any(data in cells for cells in found.values())]
    lines = ["| labels | method | " + " | ".join(sets) + " |", "|---|---|" + "---|" * len(sets)]
    for labels, name in sorted(found, key=lambda key: (key[0], key[1] not in LEARNING, key[1])):
        cells = [found[labels, name].get(data, "") for data in sets]
        lines.append(f"| {labels:,} | `{name}` | " + " | ".join(cells) + " |")
    return lines


def write_table() -> None:
    """Put the table into the page, behind its mark."""
    mark = "<!-- what benchmarks/prompting.py finds -->\n"
    before, _, after = PAGE.read_text().partition(mark)
    rest = after[after.index("\n\n") :] if after else ""
    PAGE.write_text(before + mark + "\n".join(table()) + rest)


def errors_of_calibration() -> dict[str, float]:
    """The expected calibration error of each run."""
    found = {}
    for run, rows in rows_by_run(RESULTS / "rows.parquet").items():
        right = np.array([row["label"] == row["prediction"] for row in rows], dtype=int)
        sure = np.array([row["probability"] for row in rows])
        # As a question of two answers, right or wrong, whose first is the one that was given.
        found[run] = calibration_error(1 - right, np.stack([sure, np.zeros(len(sure))], axis=1))
    return found


if __name__ == "__main__":
    main()
