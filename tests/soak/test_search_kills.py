"""Builds of an index that are killed at thirty random moments: the old one answers, and the next build goes on."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trifold.runtime import hardware

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
KILLS, DOCUMENTS = 30, 4_000
WORDS = ("wonderful", "boring", "film", "plot", "cast", "score", "ending", "script", "story", "dialogue", "camera")


def write_documents(path: Path, seed: int, count: int = DOCUMENTS) -> list[str]:
    rng = random.Random(seed)
    texts = [
        f"The {' '.join(rng.choices(WORDS, k=12))} of version {seed} is number {number}." for number in range(count)
    ]
    path.write_text("text\n" + "\n".join(texts) + "\n")
    return texts


@pytest.mark.soak
@pytest.mark.parametrize("first", [False, True], ids=["an index is there", "the first build"])
def test_thirty_kills_at_random_moments(tmp_path: Path, trifold_command: Any, first: bool) -> None:
    folder, rng, kills = tmp_path / "index", random.Random(0), []
    old = write_documents(tmp_path / "old.csv", 1, 500)
    write_documents(tmp_path / "new.csv", 2)
    if not first:
        assert trifold_command("search", "build", tmp_path / "old.csv", "--index", folder).returncode == 0
    whole = seconds_of(tmp_path)
    new = json.loads(trifold_command("search", "query", tmp_path / "whole", "a boring film", "--json").stdout)
    while len(kills) < KILLS:
        command = [sys.executable, "-m", "trifold", "search", "build", tmp_path / "new.csv", "--index", folder]
        with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            moment = rng.uniform(0.3, 1.05 * whole)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if process.returncode == 0:
            # It came to its end before the next kill: the documents change, so that there is work again.
            write_documents(tmp_path / "new.csv", 3 + len(kills))
            old, first = [], False
            continue
        kills.append(round(moment, 2))
        if old and not first:
            done = trifold_command("search", "query", folder, old[7], "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["answers"][0]["passage"]["text"] == old[7]
        elif not first:
            assert trifold_command("search", "info", folder).returncode == 0
    write_documents(tmp_path / "new.csv", 2)
    done = trifold_command("search", "build", tmp_path / "new.csv", "--index", folder, "--json")
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    found = json.loads(trifold_command("search", "query", folder, "a boring film", "--json").stdout)
    assert [one["passage"]["text"] for one in found["answers"]] == [one["passage"]["text"] for one in new["answers"]]
    info = trifold_command("search", "info", folder)
    assert info.returncode == 0, info.stderr
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = "search_kills_first.json" if not old or first else "search_kills.json"
    kept = {
        "kill_seconds": kills,
        "last_build": built,
        "hardware": hardware(),
        "backbone": "minilm",
        "documents": DOCUMENTS,
    }
    (RESULTS / name).write_text(json.dumps(kept, indent=1) + "\n")


def seconds_of(folder: Path) -> float:
    """Seconds of a whole build in a process of its own."""
    began = time.monotonic()
    command = [sys.executable, "-m", "trifold", "search", "build", folder / "new.csv", "--index", folder / "whole"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return time.monotonic() - began
