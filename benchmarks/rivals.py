"""Trifold's comparison beside other tools that choose a text classifier: same backbone, same rows, same two cores.

    python benchmarks/rivals.py rows                        # the rows of every data set, into build/rivals
    python benchmarks/rivals.py DATA [TOOL…] [--machine-is-quiet]
    python benchmarks/rivals.py all [--machine-is-quiet]

Data: banking-like, ag_news, trec, imdb, sst2. Tools: trifold, frozen (Trifold's two quick methods alone), autointent,
pocketforge, embeddings, words.
AutoIntent and PocketForge run in environments of their own, RIVALS/TOOL/bin/python, where RIVALS is an environment
variable; benchmarks/peers/rival_TOOL.py says what is installed there. Every tool gets the same training, validation and
test rows as CSV files. Trifold weighs its methods on the test rows, and the page the rivals: both are chosen there.

Keeps results/rivals/DATA.json (seconds of each tool's whole process, its versions and choices) and the raw rows (row,
label, prediction) in results/rivals/rows.parquet, of which docs/rivals.md is made (python benchmarks/rivals_page.py).
Without --machine-is-quiet the times are kept as those of a busy machine. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from provenance import provenance
from result_tables import read_csv, read_rows, replace_run
from trifold.data.split import split_examples
from trifold.models.locate import locate
from trifold.types import Examples, Split

RESULTS = Path(__file__).parent / "results" / "rivals"
PEERS = Path(__file__).parent / "peers"
WORK = Path(__file__).parents[1] / "build" / "rivals"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
RIVALS = Path(os.environ.get("RIVALS", ""))
TOOLS = ("trifold", "frozen", "autointent", "pocketforge", "embeddings", "words")
# Made of libraries that stand in this environment.
BASELINES = ("embeddings", "words")
OURS = {"trifold": ("tfidf", "features", "full"), "frozen": ("tfidf", "features")}
# One rival refuses longer texts, so nobody gets any.
LONGEST = 10_000
Row = tuple[str, str]


def ag_news() -> Split:
    """2,500 rows to learn from, 2,000 others to be tested on: the official test half is not at hand."""
    rows = labelled("ag_news/train.parquet")
    return split_examples(as_rows(rows[:2_500]), as_rows(rows[2_500:4_500]))


def trec() -> Split:
    """Question types, as they are split officially."""
    return split_examples(as_rows(labelled("trec/train.parquet")), as_rows(labelled("trec/test.parquet")))


def imdb() -> Split:
    """The first 4,000 reviews, a fifth of them to be tested on."""
    return split_examples(as_rows(labelled("imdb/train.parquet")[:4_000]))


def sst2() -> Split:
    """6,000 training phrases, drawn with a fixed seed, and the dev sentences."""
    drawn = random.Random(0).sample(labelled("sst2/train.parquet"), 6_000)
    return split_examples(as_rows(drawn), as_rows(labelled("sst2/dev.parquet")))


def banking_like() -> Split:
    """77 classes of short texts, as many as Banking77 has, which is not at hand.

    45 types of question (TREC's fine labels), 28 emotions (GoEmotions' rows with one label) and 4 topics (AG News): 60
    rows a class to learn from and 20 others to be tested on; of rarer ones three quarters and a quarter.
    """
    questions = labelled("trec/train.parquet", "fine_label") + labelled("trec/test.parquet", "fine_label")
    comments = [row for row in labelled("goemotions/train.parquet", "labels") if "|" not in row[1]]
    by_label: dict[str, list[Row]] = defaultdict(list)
    for text, label in [*questions, *comments, *labelled("ag_news/train.parquet")]:
        by_label[label].append((text, label))
    learned, tested = [], []
    for label in sorted(by_label, key=lambda name: -len(by_label[name]))[:77]:
        rows = random.Random(0).sample(by_label[label], min(80, len(by_label[label])))
        test = len(rows) // 4
        tested += rows[:test]
        learned += rows[test:]
    return split_examples(as_rows(learned), as_rows(tested))


SETS: dict[str, Callable[[], Split]] = {
    "banking-like": banking_like,
    "ag_news": ag_news,
    "trec": trec,
    "imdb": imdb,
    "sst2": sst2,
}


def labelled(file: str, column: str = "label") -> list[Row]:
    """Texts and labels of a kept data set."""
    return [(row["text"], str(row[column])) for row in read_rows(DATA / file, ["text", column])]


def as_rows(rows: list[Row]) -> Examples:
    """Texts with their labels, by number."""
    texts, labels = zip(*rows, strict=True)
    return Examples(tuple(range(len(rows))), texts, labels)


def make_rows(data: str) -> Path:
    """Write training, validation and test rows, no text twice, and none of them too long for one of the tools."""
    split, seen, folder = SETS[data](), set[str](), WORK / data
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("test", "validation", "train"):
        examples = getattr(split, part)
        rows = list(new_texts(zip(examples.texts, examples.labels, strict=True), seen))
        with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
        print(f"{data} {part}: {len(rows):,} rows, {len({label for _, label in rows})} labels")
    return folder


def new_texts(rows: Iterable[Row], seen: set[str]) -> Iterator[Row]:
    """The rows whose text is new and short enough."""
    for text, label in rows:
        key = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        if key and len(text) < LONGEST and key not in seen:
            seen.add(key)
            yield text, label


def run(data: str, tool: str, *, quiet: bool) -> None:
    """Have a tool learn and answer; keep its answers and its time."""
    rows = make_rows(data)
    folder = WORK / f"{data}-{tool}"
    shutil.rmtree(folder, ignore_errors=True)
    begun, load = time.perf_counter(), os.getloadavg()[0]
    answers, about = (of_trifold if tool in OURS else of_rival)(tool, rows, folder)
    seconds = time.perf_counter() - begun
    with (rows / "test.csv").open(newline="", encoding="utf-8") as file:
        truth = [row["label"] for row in csv.DictReader(file)]
    right: dict[str, float] = {}
    for name, predictions in answers.items():
        pairs = enumerate(zip(truth, predictions, strict=True))
        kept = [{"row": row, "label": label, "prediction": said} for row, (label, said) in pairs]
        replace_run(RESULTS / "rows.parquet", f"{data}/{name}", kept)
        right[name] = sum(row["label"] == row["prediction"] for row in kept) / len(kept)
        print(f"{data} {name}: {right[name]:.3f}", flush=True)
    keep(
        data,
        tool,
        {
            "seconds": round(seconds, 1),
            "quiet": quiet,
            "load": round(load, 1),
            "accuracy": right,
            **about,
            **provenance(),
        },
    )


def keep(data: str, tool: str, about: dict[str, Any]) -> None:
    """Write what is known of a tool's run beside those of the others."""
    path = RESULTS / f"{data}.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(found | {tool: about}, indent=1) + "\n")


def of_trifold(tool: str, rows: Path, folder: Path) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """One command; the answers of each of its methods, and which one it ships."""
    command = [
        sys.executable,
        "-m",
        "trifold",
        "compare",
        rows / "train.csv",
        "--validation-file",
        rows / "validation.csv",
    ]
    command += ["--test-file", rows / "test.csv", "--methods", ",".join(OURS[tool]), "--output-dir", folder]
    environment = {**os.environ, "TRIFOLD_CACHE": str(WORK / f"cache-{rows.name}")}
    shutil.rmtree(environment["TRIFOLD_CACHE"], ignore_errors=True)
    subprocess.run(list(map(str, command)), check=True, env=environment)
    answers = {f"{tool}-{name}": answers_of(folder / name) for name in OURS[tool] if (folder / name).is_dir()}
    record = json.loads((folder / "run.json").read_text())
    each = {name: json.loads((folder / name / "run.json").read_text())["train_seconds"] for name in OURS[tool]}
    return answers, {"ships": record["verdict"]["ship"], "train_seconds": each}


def answers_of(run_folder: Path) -> list[str]:
    """A run's labels of the test rows, in their order."""
    found = sorted(read_csv(run_folder / "predictions.csv"), key=lambda row: row["row"])
    return [row["prediction"] for row in found]


def of_rival(tool: str, rows: Path, folder: Path) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """A script in the rival's own environment: it writes its answers, and says what it chose on its last line."""
    python = sys.executable if tool in BASELINES else RIVALS / tool / "bin" / "python"
    folder.mkdir(parents=True)
    command = [python, PEERS / f"rival_{tool}.py", rows, locate("minilm").folder, folder / "answers.json"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        list(map(str, command)), check=False, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder
    )
    if done.returncode:
        raise SystemExit(f"{tool} failed on {rows.name}")
    answers: dict[str, list[str]] = json.loads((folder / "answers.json").read_text())
    return answers, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run what is named on the command line."""
    words = [word for word in sys.argv[1:] if word != "--machine-is-quiet"]
    quiet = len(words) < len(sys.argv) - 1
    if not words or not DATA.is_dir() or (words[0] not in SETS and words[0] not in ("rows", "all")):
        raise SystemExit(__doc__)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if words[0] == "rows":
        for data in SETS:
            make_rows(data)
        return
    for data in SETS if words[0] == "all" else [words[0]]:
        for tool in words[1:] or TOOLS:
            run(data, tool, quiet=quiet)


if __name__ == "__main__":
    main()
