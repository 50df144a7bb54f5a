"""Thousands of damaged inputs: each command ends in time, in a result or one sentence, and keeps what is secret.

A trial that failed is made again by its number: TRIFOLD_SOAK_NUMBERS=1234 (several with commas between), and
TRIFOLD_SOAK_SEED where it was not 0, run it alone and keep its folder.
"""

import json
import os
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from soak.commands import Place
from soak.oracles import innermost, judge, outcome
from soak.originals import Originals, make_originals
from soak.trials import SHARES, Trial, control_trials, make_trial
from soak.watch import LIMIT_SECONDS, Seen, Watch
from trifold.runtime import hardware
from warm_commands import Command

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak" / "mutated_inputs.json"
SEED = int(os.environ.get("TRIFOLD_SOAK_SEED", "0"))
TRIALS = range(sum(SHARES.values()))
WORKERS = 2
_STDERR_CHARACTERS = 2_000


@dataclass
class Tally:
    """What all trials came to."""

    by_kind: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_command: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, trial: Trial, seen: Seen, wrong: Sequence[str]) -> None:
        ended = outcome(seen)
        self.by_kind[trial.kind][ended] += 1
        self.by_command[trial.verb][ended] += 1
        self.seconds[trial.number] = round(seen.seconds, 1)
        if wrong:
            self.failures.append(
                {
                    "seed": SEED, "trial": trial.number, "kind": trial.kind, "damage": trial.damage,
                    "command": " ".join(trial.command.words), "ended": ended, "wrong": list(wrong),
                    "where": innermost(seen.stderr), "stderr": seen.stderr[-_STDERR_CHARACTERS:],
                }
            )  # fmt: skip


def run_trials(numbers: Iterator[int], originals: Originals, folder: Path, tally: Tally, lock: threading.Lock) -> None:
    """Take numbers until there are none, with commands and servers of one's own."""
    watch = Watch()
    try:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            place = Place(folder / str(number), originals, watch.server.url, watch.other.url)
            place.folder.mkdir()
            trial = make_trial(SEED, number, place)
            seen, wrong = run_trial(watch, trial, place.folder)
            with lock:
                tally.add(trial, seen, wrong)
            if not wrong:
                shutil.rmtree(place.folder)
    finally:
        watch.close()


def run_trial(watch: Watch, trial: Trial, folder: Path) -> tuple[Seen, list[str]]:
    seen = watch.run(trial.command.words, folder, trial.secrets, trial.reply, trial.cache, terminal=trial.terminal)
    return seen, judge(trial, seen, folder)


@pytest.fixture(scope="module")
def originals(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, decoder: Path, trifold_command: Command
) -> Originals:
    return make_originals(tmp_path_factory.mktemp("originals"), tiny_model, decoder, trifold_command)


@pytest.mark.soak
def test_intact_inputs_are_taken(originals: Originals, tmp_path: Path) -> None:
    watch = Watch()
    for trial, folder in control_trials(Place(tmp_path, originals, watch.server.url, watch.other.url)):
        seen, wrong = run_trial(watch, trial, folder)
        assert not wrong, f"{trial.command.words}: {wrong}"
        assert seen.code == 0, f"{trial.command.words}: {seen.stderr}"
    watch.close()


@pytest.mark.soak
def test_damaged_inputs(originals: Originals, tmp_path: Path) -> None:
    chosen = os.environ.get("TRIFOLD_SOAK_NUMBERS")
    numbers = iter(map(int, chosen.split(",")) if chosen else TRIALS)
    tally, lock, begun = Tally(), threading.Lock(), time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        for worker in [pool.submit(run_trials, numbers, originals, tmp_path, tally, lock) for _ in range(WORKERS)]:
            worker.result()
    tally.failures.sort(key=lambda failure: failure["trial"])
    if not chosen:
        kept = {
            "seed": SEED, "trials": len(tally.seconds), "limit_seconds": LIMIT_SECONDS, "workers": WORKERS,
            "slowest_seconds": dict(nlargest(10, tally.seconds.items(), key=itemgetter(1))), "minutes": round((time.monotonic() - begun) / 60, 1),
            "by_kind": tally.by_kind, "by_command": tally.by_command, "failures": tally.failures, "hardware": hardware(),
        }  # fmt: skip
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        assert len(tally.seconds) == len(TRIALS)
        for kind in SHARES:
            # What is damaged in a cache is computed again.
            ends = {"done"} if kind == "cache" else {"done", "refused"}
            assert ends <= set(tally.by_kind[kind]), f"{kind}: trials that all end alike tell little"
    assert not tally.failures, json.dumps(tally.failures[:10], indent=1)
