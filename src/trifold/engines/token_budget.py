"""How many tokens go through a model at once: measured once for a machine, model and kind of work, then remembered.

Too few leave cores or a GPU waiting, too many no longer fit into the processor's caches or into memory. The best number
differs much between machines, and hardly ever changes on one. Small work, or a user's own budget, is not measured.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trifold.atomic import replaced_file
from trifold.cache_folder import cache_folder
from trifold.events import Advance, say, track
from trifold.json_reading import read_json
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime, hardware, memory_bytes, peak_while, resident_bytes

CANDIDATES = {
    "cpu": (1_024, 2_048, 4_096, 8_192),
    "cuda": (8_192, 16_384, 32_768, 65_536, 131_072, 262_144),
    "mps": (2_048, 4_096, 8_192, 16_384, 32_768),
}
_REPEATS = 2
# Measuring may cost this share of the work ahead, and a larger budget must be this many times as fast to be taken.
MAX_COST = 0.05
_WORTH_IT = 1.02
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Work:
    """Something that goes through a model in batches.

    Attributes:
        kind: What is computed, or the method that is trained, in words.
        model: A hash that differs between models of different shapes.
        runtime: Where and in which precision.
        lengths: Tokens of each text ahead.
        passes: How often all of them go through.
        attempt: Computes one batch, `(texts, tokens)` ids and mask; returns when it is done, and changes nothing.
        at_once: The most texts that go through together; any number where `None`.
    """

    kind: str
    model: str
    runtime: Runtime
    lengths: np.ndarray
    passes: int
    attempt: Callable[[np.ndarray, np.ndarray], None]
    at_once: int | None = None


def tuned_budget(settings: ComputeSettings, work: Work) -> int:
    """The user's budget; else the fastest on this machine, measured where the work ahead is large enough to pay for it.

    No batch is tried that would take more than half of the memory this process may use, as estimated from smaller ones:
    a process that runs out of memory is killed. Nor one larger than any of the work ahead, which would only raise the
    peak of memory.

    Args:
        settings: May name a budget.
        work: What is ahead.
    """
    if settings.token_budget:
        return settings.token_budget
    candidates = _candidates(work)
    key, known = _key(work, candidates[-1]), _remembered()
    if key in known:
        return known[key]
    if len(candidates) == 1 or _REPEATS * sum(candidates) > MAX_COST * work.passes * float(work.lengths.sum()):
        return work.runtime.token_budget
    say(f"{work.kind}: finding out how many tokens at once are fastest on this machine; remembered for next time")
    with track(f"{work.kind}: trying how many tokens at once", len(candidates)) as advance:
        best = _fastest(work, candidates, advance)
    _remember({**_remembered(), key: best})
    return best


def _candidates(work: Work) -> tuple[int, ...]:
    """Budgets up to the first into which the most texts that go through together fit."""
    all_ = CANDIDATES[work.runtime.device]
    if work.at_once is None:
        return all_
    most = work.at_once * int(work.lengths.max())
    return all_[: 1 + sum(candidate < most for candidate in all_)]


def _fastest(work: Work, candidates: tuple[int, ...], advance: Advance) -> int:
    length = max(1, int(np.median(work.lengths)))
    before = resident_bytes()
    best, best_rate, bytes_per_token = candidates[0], 0.0, 0.0
    for budget in candidates:
        if bytes_per_token * budget > _MEMORY_SHARE * (memory_bytes() or np.inf) - before:
            break
        texts = max(1, budget // length)
        ids = np.full((texts, length), 5, dtype=np.int64)
        try:
            peak, seconds = peak_while(partial(_least_seconds, work, ids))
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            break
        rate = texts * length / seconds
        bytes_per_token = max(bytes_per_token, (peak - before) / (texts * length))
        if rate > _WORTH_IT * best_rate:
            best, best_rate = budget, rate
        advance(1)
    return best


def _least_seconds(work: Work, ids: np.ndarray) -> float:
    tries = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        work.attempt(ids, np.ones_like(ids))
        tries.append(time.perf_counter() - begun)
    return min(tries)


def _key(work: Work, largest: int) -> str:
    facts = hardware()
    where = "-".join(str(facts.get(name)) for name in ("gpu", "cpu", "cores"))
    return "|".join((work.kind, work.model[:16], work.runtime.device, work.runtime.precision, where, str(largest)))


def _file() -> Path:
    return cache_folder() / "budgets.json"


def _remembered() -> dict[str, int]:
    try:
        found = read_json(_file())
        return {str(name): int(value) for name, value in found.items() if int(value) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(budgets: dict[str, int]) -> None:
    """Write the file whole; where that fails, the next run measures again."""
    try:
        with replaced_file(_file()) as aside:
            aside.write_text(json.dumps(budgets, indent=1) + "\n")
    except OSError as error:
        say(f"note: {_file()} cannot be written ({error.strerror}); going on without it")
