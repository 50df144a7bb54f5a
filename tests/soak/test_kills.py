"""Twenty kills at random moments, and the very same weights in the end."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from trifold.runtime import hardware

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
KILLS = 20


@pytest.mark.soak
def test_twenty_kills_at_random_moments(tmp_path: Path, tiny_model: Path, trifold_command: Any) -> None:
    reviews = write_reviews(tmp_path / "reviews.csv", rows=1_200)
    flags = ("--method", "full", "--model", str(tiny_model), "--lr", "3e-3", "--epochs", "30", "--patience", "30")
    command = ["finetune", str(reviews), *flags, "--save-steps", "5"]
    began = time.monotonic()
    assert trifold_command(*command, "--output-dir", tmp_path / "whole").returncode == 0
    whole_seconds = time.monotonic() - began
    rng, folder, moments, ends = random.Random(0), tmp_path / "run", [], []
    while len(moments) < KILLS:
        with subprocess.Popen(
            [sys.executable, "-m", "trifold", *command, "--resume", "--output-dir", str(folder)],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            seconds = rng.uniform(0.5, 0.6 * whole_seconds)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if process.returncode == 0:
            # It came to its end before the next kill: the others begin anew.
            ends.append(weights(folder))
            shutil.rmtree(folder)
            continue
        states = sorted(path.name for path in (folder / "state").glob("step-*"))
        moments.append({"seconds": round(seconds, 2), "state": states[-1] if states else None})
    done = trifold_command(*command, "--resume", "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    ends.append(weights(folder))
    identical = [end == weights(tmp_path / "whole") for end in ends]
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {"kills": moments, "identical": identical, "hardware": hardware(), "backbone": "tiny BERT"}
    (RESULTS / "kills.json").write_text(json.dumps(kept, indent=1) + "\n")
    assert all(identical)
    assert len(moments) == KILLS
    assert any(moment["state"] for moment in moments)


def weights(folder: Path) -> bytes:
    """Of a run, as they lie on disk."""
    return (folder / "model" / "model.safetensors").read_bytes()
