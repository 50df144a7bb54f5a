"""When the first rows of a comparison stand in its leaderboard: `compare movie.csv --methods tfidf,features`.

    python benchmarks/first_rows.py

Nothing else may run meanwhile, and the cache is empty. Keeps results/first_rows.json. Needs TRIFOLD_DATA.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from provenance import provenance

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "imdb" / "movie.csv"
METHODS = ("tfidf", "features")


def rows(leaderboard: Path) -> dict[str, float]:
    """Methods that stand in it, with their score."""
    if not leaderboard.exists():
        return {}
    with leaderboard.open(newline="", encoding="utf-8") as file:
        return {row["method"]: float(row["score"]) for row in csv.DictReader(file) if row["method"] in METHODS}


def main() -> None:
    """Start a comparison and look at its leaderboard ten times a second."""
    with tempfile.TemporaryDirectory() as place:
        output, seconds = Path(place) / "out", dict[str, float]()
        command = ["compare", str(DATA), "--methods", ",".join(METHODS), "--output-dir", str(output)]
        begun = time.perf_counter()
        running = subprocess.Popen(
            [sys.executable, "-m", "trifold", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TRIFOLD_CACHE": str(Path(place) / "cache")},
        )  # fmt: skip
        while running.poll() is None:
            time.sleep(0.1)
            for method in rows(output / "leaderboard.csv"):
                seconds.setdefault(method, round(time.perf_counter() - begun, 1))
        scores = rows(output / "leaderboard.csv")
    if running.returncode or set(seconds) != set(METHODS):
        raise SystemExit(f"the comparison ended with {running.returncode} and the rows {sorted(seconds)}")
    facts = {"data": "imdb/movie.csv", "seconds": seconds, "scores": scores, "backbone": "minilm", **provenance()}
    (RESULTS / "first_rows.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(seconds, scores)


if __name__ == "__main__":
    main()
