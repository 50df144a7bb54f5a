"""Builds of an index that are killed at random moments: the index before answers, and the next build goes on."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import BAD, GOOD, THINGS
from trifold.runtime import hardware

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
DOCUMENTS = 20_000


def write_documents(path: Path, seed: int, count: int = DOCUMENTS) -> list[str]:
    rng = random.Random(seed)
    words = (*GOOD, *BAD, *THINGS)
    texts = [f"The {' '.join(rng.choices(words, k=8))} is number {number} in {seed}" for number in range(count)]
    path.write_text("text\n" + "\n".join(texts) + "\n")
    return texts


@pytest.mark.soak
@pytest.mark.parametrize(("kills", "first"), [(30, False), (10, True)], ids=["an index is there", "the first build"])
def test_kills_at_random_moments(
    tmp_path: Path, tiny_model: Path, trifold_command: Any, kills: int, first: bool
) -> None:
    folder, new, rng = tmp_path / "index", tmp_path / "new.csv", random.Random(0)
    old = write_documents(tmp_path / "old.csv", 1, 500)
    coming = write_documents(new, 2)
    model = ("--model", str(tiny_model))
    if not first:
        assert trifold_command("search", "build", tmp_path / "old.csv", "--index", folder, *model).returncode == 0
    command = [sys.executable, "-m", "trifold", "search", "build", str(new), *model, "--index"]
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    whole, moments = time.monotonic() - began, []
    while len(moments) < kills:
        with subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            # Most of the imports lie before the first third.
            seconds = rng.uniform(0.3 * whole, 0.95 * whole)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if process.returncode == 0:
            # It came to its end before the kill: the documents change, so that there is work again.
            old, coming, first = coming, write_documents(new, 10 + len(moments)), False
            continue
        journals = sorted(folder.glob("unfinished/*/*.digests"))
        kept = sum(path.stat().st_size // 16 for path in journals)
        moments.append({"seconds": round(seconds, 2), "passages_kept": kept})
        done = trifold_command("search", "query", folder, old[7], "--json")
        assert done.returncode == (2 if first else 0), done.stderr
        if not first:
            assert json.loads(done.stdout)["answers"][0]["passage"]["text"] in old
    write_documents(new, 2)
    done = trifold_command("search", "build", new, "--index", folder, "--json")
    assert done.returncode == 0, done.stderr
    answers = [
        [one["passage"]["text"] for one in json.loads(trifold_command(*asked).stdout)["answers"]]
        for asked in [("search", "query", name, "a boring film", "--json") for name in (folder, tmp_path / "whole")]
    ]
    assert answers[0] == answers[1]
    assert trifold_command("search", "info", folder).returncode == 0
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = "search_kills_first.json" if kills < 30 else "search_kills.json"
    facts = {"kills": moments, "documents": DOCUMENTS, "whole_seconds": round(whole, 2), "same_answers": True}
    facts |= {"last_build": json.loads(done.stdout), "hardware": hardware(), "backbone": "tiny BERT"}
    (RESULTS / name).write_text(json.dumps(facts, indent=1) + "\n")
