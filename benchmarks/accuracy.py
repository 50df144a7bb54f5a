"""Accuracy of every method on real data: the trainings behind the figures that README and docs quote.

    python benchmarks/accuracy.py trec sst2 movie[-METHOD] classic goemotions[-METHOD] imdb-METHOD[+head+tail] | all

Each experiment runs the command line as a user would and keeps, under results/accuracy/, a JSON file with the
figures, command, commit, machine and versions, and in rows.parquet the raw rows (run, row id, label, prediction,
probability), from which a test recomputes the figures. Runs stand in build/accuracy/ until their figures are kept, and
one that was interrupted goes on where it was. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from provenance import commit
from result_tables import labelled_texts, read_csv, replace_run

RESULTS = Path(__file__).parent / "results" / "accuracy"
RUNS = Path(__file__).parents[1] / "build" / "accuracy"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
SEEDS = (1, 2, 3)
SST2_ROWS = 6_000


@dataclass(frozen=True)
class Experiment:
    """One training: a name for its files, the data, and the flags."""

    name: str
    data: Path
    flags: tuple[str, ...]


def experiments(group: str) -> list[Experiment]:
    """The trainings of a group."""
    imdb, movie = DATA / "imdb" / "train.parquet", DATA / "imdb" / "movie.csv"
    if group.startswith("imdb-"):
        method, _, rule = group.removeprefix("imdb-").partition("+")
        flags = ("--method", method, "--long-text", rule or "truncate")
        return [Experiment(group.replace("imdb", "imdb-25000").replace("+", "-", 1), imdb, flags)]
    if group.startswith("movie-"):
        method = group.removeprefix("movie-")
        return [Experiment(f"imdb-4000-{method}", movie, ("--method", method))]
    if group == "classic":
        return [Experiment("imdb-4000-classic", movie, ("--preset", "classic"))]
    if group == "goemotions":
        return [one for m in ("tfidf", "features", "full") for one in experiments(f"goemotions-{m}")]
    if group.startswith("goemotions-"):
        folder, method = DATA / "goemotions", group.removeprefix("goemotions-")
        flags = ("--method", method, "--test-file", str(folder / "dev.parquet"))
        return [Experiment(group, folder / "train.parquet", flags)]
    if group == "movie":
        return [Experiment(f"imdb-4000-{m}", movie, ("--method", m)) for m in ("tfidf", "features", "full")]
    if group == "trec":
        test = str(DATA / "trec" / "test.parquet")
        data = DATA / "trec" / "train.parquet"
    elif group == "sst2":
        test = str(DATA / "sst2" / "dev.parquet")
        data = sst2_sample()
    else:
        raise SystemExit(f"no experiment {group!r}")
    return [
        Experiment(f"{group}-full-seed{seed}", data, ("--method", "full", "--seed", str(seed), "--test-file", test))
        for seed in SEEDS
    ]


def sst2_sample() -> Path:
    """6,000 training rows of SST-2, drawn with a fixed seed."""
    rows = labelled_texts(DATA / "sst2" / "train.parquet")
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / "sst2-6000.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label"))
        writer.writerows(random.Random(0).sample(rows, SST2_ROWS))
    return path


def run(experiment: Experiment) -> None:
    """Train, then keep figures and raw rows."""
    folder = RUNS / experiment.name
    command = [sys.executable, "-m", "trifold", "finetune", str(experiment.data), *experiment.flags]
    subprocess.run([*command, "--output-dir", str(folder), "--resume"], check=True)
    keep(experiment.name, folder)
    print(experiment.name, json.loads((folder / "metrics.json").read_text())["accuracy"]["value"], flush=True)
    shutil.rmtree(folder)


def keep(name: str, folder: Path, results: Path = RESULTS) -> None:
    """Copy what matters of a run folder into the results."""
    results.mkdir(parents=True, exist_ok=True)
    facts = json.loads((folder / "run.json").read_text())
    data = facts["data"]
    # Paths differ from machine to machine; the hashes say what the data were.
    data["path"] = "/".join(Path(data["path"]).parts[-2:])
    if data["test_file"]:
        data["test_file"] = data["reading"]["test_file"] = "/".join(Path(data["test_file"]).parts[-2:])
    flags = facts["command"].split()[3:]
    facts["command"] = " ".join(["trifold finetune", data["path"], *("/".join(Path(f).parts[-2:]) for f in flags)])
    facts["commit"] = commit()
    metrics = json.loads((folder / "metrics.json").read_text())
    result = {"name": name, "metrics": metrics, "run": facts}
    (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    replace_run(results / "rows.parquet", name, read_csv(folder / "predictions.csv"))
    if (folder / "history.csv").exists():
        replace_run(results / "history.parquet", name, read_csv(folder / "history.csv"))


def main() -> None:
    """Run the groups named on the command line."""
    groups = sys.argv[1:]
    if groups == ["all"]:
        groups = ["trec", "sst2", "movie", "classic", "goemotions", "imdb-tfidf", "imdb-features", "imdb-full"]
    if not groups or not DATA.is_dir():
        raise SystemExit(__doc__)
    for group in groups:
        for experiment in experiments(group):
            run(experiment)


if __name__ == "__main__":
    main()
