"""Reviews longer than a backbone reads: their beginning, both ends, or all of them in windows?

    python benchmarks/long_texts.py [METHOD ...]

Of the longest quarter of IMDb's 25,000 training reviews by tokens, shuffled, 2,000 to learn from, 500 to validate on
and 2,000 to test on, for features and full with each value of `--long-text`, and for tfidf, which reads all. Keeps,
under results/long_texts/, the raw rows of each run (row id, label, prediction, probability) and facts.json, and writes
the table in docs/methods.md. Needs TRIFOLD_DATA. On two cores, expect minutes of features and an hour or more of full.
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

import numpy as np

from provenance import provenance
from result_tables import Row, labelled_texts, read_csv, replace_run, rows_by_run
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.statistics.intervals import wilson
from trifold.statistics.metrics import paired_difference

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "long_texts", ROOT / "docs" / "methods.md"
# Where the table stands in the page: behind this line, up to the next heading.
MARK = "<!-- what benchmarks/long_texts.py finds -->\n"
HEAD = """\
Of the longest quarter of IMDb's reviews 2,000 to learn from, 500 to validate on and 2,000 to test on, with minilm and
250 tokens at a time; what a rule gains or loses is told on the same rows, in points:

| | accuracy (95 % interval) | beyond `truncate` | beyond `head+tail` | tokens a review |
|---|---|---|---|---|"""
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
RULES = ("truncate", "head+tail", "window")
METHODS = {"tfidf": ("",), "features": RULES, "full": RULES}
TRAIN, VALIDATION, TEST = 2_000, 500, 2_000


def main() -> None:
    """Write the three files, then run every method with every rule."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    rows = labelled_texts(DATA / "imdb" / "train.parquet")
    tokenizer = fast_tokenizer(locate("minilm"))
    tokenizer.no_truncation()
    tokens = np.array([len(found.ids) for found in tokenizer.encode_batch_fast([text for text, _ in rows])])
    longest = np.argsort(-tokens, kind="stable")[: len(rows) // 4].tolist()
    random.Random(1).shuffle(longest)
    ends = np.cumsum([0, TRAIN, VALIDATION, TEST])
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, part in enumerate(("train", "validation", "test")):
            with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
                chosen = (rows[position] for position in longest[ends[number] : ends[number + 1]])
                csv.writer(file, lineterminator="\n").writerows([("text", "label"), *chosen])
        tested = [rows[position][0] for position in longest[ends[2] : ends[3]]]
        for method in sys.argv[1:] or METHODS:
            for rule in METHODS[method]:
                read = Tokenizer(locate("minilm"), 250, rule).encode(tested).lengths if rule else tokens[longest]
                run(folder, method, rule, round(float(read.mean())))


def run(folder: Path, method: str, rule: str, tokens: int) -> None:
    """One training; its raw rows are kept, and how many tokens of a text it reads."""
    name = f"{method}-{rule}" if rule else method
    target = folder / name
    flags = ["--long-text", rule] if rule else []
    for part in ("validation", "test"):
        flags += [f"--{part}-file", str(folder / f"{part}.csv")]
    command = [sys.executable, "-m", "trifold", "finetune", str(folder / "train.csv"), "--method", method, *flags]
    subprocess.run([*command, "--output-dir", str(target), "--json"], check=True, stdout=subprocess.DEVNULL)
    record = json.loads((target / "run.json").read_text())
    replace_run(RESULTS / "rows.parquet", name, read_csv(target / "predictions.csv"))
    path = RESULTS / "facts.json"
    facts = json.loads(path.read_text()) if path.exists() else {"runs": {}}
    told = ("train_seconds", "ms_per_text", "truncated_test_texts", "peak_memory_bytes")
    scored = json.loads((target / "metrics.json").read_text())["accuracy"]["value"]
    facts = {
        **provenance(),
        "backbone": "sentence-transformers/all-MiniLM-L6-v2",
        "runs": {**facts["runs"], name: {"accuracy": scored, "tokens": tokens, **{key: record[key] for key in told}}},
    }
    path.write_text(json.dumps(facts, indent=1) + "\n")
    shutil.rmtree(target)
    write_page()
    print("\n".join(table()), flush=True)


def write_page() -> None:
    """Put the table into its page in place of the one that is there."""
    before, mark, rest = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{mark}\n" + "\n".join([HEAD, *table()]) + "\n\n" + rest[rest.index("## ") :])


def table() -> list[str]:
    """The rows of the table in docs/methods.md: accuracy, leads on the same rows, and how much is read."""
    kept = rows_by_run(RESULTS / "rows.parquet")
    about = json.loads((RESULTS / "facts.json").read_text())["runs"]
    lines = []
    for method, rules in METHODS.items():
        for rule in rules:
            name = f"{method}-{rule}" if rule else method
            if name not in kept:
                continue
            right = correct(kept[name])
            low, high = wilson(right.mean(), len(right))
            cells = [f"{100 * right.mean():.1f} % ({100 * low:.1f} to {100 * high:.1f})", "-", "-"]
            for number, other in enumerate(("truncate", "head+tail"), 1):
                if rule and rule != other and f"{method}-{other}" in kept:
                    cells[number] = _lead(right, correct(kept[f"{method}-{other}"]))
            cells.append(f"{about[name]['tokens']:,}")
            lines.append("| " + " | ".join([f"`{method}`" + (f" `{rule}`" if rule else ""), *cells]) + " |")
    return lines


def correct(rows: list[Row]) -> np.ndarray:
    """Which rows are right, in the order of the test file."""
    return np.array([row["label"] == row["prediction"] for row in sorted(rows, key=lambda row: row["row"])])


def _lead(right: np.ndarray, other: np.ndarray) -> str:
    truth = np.zeros(len(right), dtype=np.int64)
    lead = paired_difference("accuracy", truth, (~right).astype(np.int64), (~other).astype(np.int64), 2)
    return f"{100 * lead.value:+.1f} ({100 * lead.low:+.1f} to {100 * lead.high:+.1f})"


if __name__ == "__main__":
    main()
