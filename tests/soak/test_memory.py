"""A million rows take no more memory than ten thousand."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import BAD, GOOD, THINGS
from trifold.runtime import hardware

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
# Prints the peak of the whole command behind its own output.
MEASURED = (
    "import sys; from trifold.cli.main import run; from trifold.runtime import own_process, peak_memory_bytes\n"
    "own_process()\n"
    "code = run(sys.argv[1:]); print(peak_memory_bytes(), file=sys.stderr); sys.exit(code)"
)


def write_texts(path: Path, rows: int) -> Path:
    """Distinct texts of five to ten words."""
    rng = random.Random(0)
    words = (*GOOD, *BAD, *THINGS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text"])
        for number in range(rows):
            writer.writerow([f"{' '.join(rng.choices(words, k=rng.randint(4, 9)))} {number}"])
    return path


@pytest.mark.soak
@pytest.mark.parametrize("method", ["tfidf", "features"])
def test_memory_does_not_grow_with_the_rows(
    method: str, reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Any
) -> None:
    run = tmp_path / "run"
    done = trifold_command("finetune", reviews, "--method", method, "--model", tiny_model, "--output-dir", run)
    assert done.returncode == 0, done.stderr
    peaks = {}
    for rows in (10_000, 1_000_000):
        source = write_texts(tmp_path / f"{rows}.csv", rows)
        measured = subprocess.run(
            [sys.executable, "-c", MEASURED, "predict", str(run), str(source), "--output", str(tmp_path / "out.csv")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks[rows] = int(measured.stderr.split()[-1])
        with (tmp_path / "out.csv").open(encoding="utf-8") as file:
            assert sum(1 for _ in file) == rows + 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {"peak_bytes": {str(rows): peak for rows, peak in peaks.items()}, "hardware": hardware(), "method": method}
    (RESULTS / f"memory-{method}.json").write_text(json.dumps(kept, indent=1) + "\n")
    assert peaks[1_000_000] <= 1.1 * peaks[10_000]
