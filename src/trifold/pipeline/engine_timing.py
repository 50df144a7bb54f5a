"""The timing of one run in a process of its own, since peak memory is a figure of a whole process.

`python -m trifold.pipeline.engine_timing RUN TEXTS SECONDS STARTED TRUST` prints the timings as JSON. TEXTS is a
JSON list, where a pair of texts is a list of two.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.child_process import end_with_parent
from trifold.errors import TrifoldError
from trifold.inference.run import load_local_run
from trifold.models.settings import ComputeSettings
from trifold.runtime import own_process, peak_memory_bytes
from trifold.types import Text, TextPair

_WARM_UP_TEXTS = 8
# Throughput is measured in at least so many passes over the texts, delay on at least so many single texts.
_MIN_PASSES = 3
_MIN_SINGLES = 20


@dataclass(frozen=True)
class Timings:
    """What the process of one engine measures.

    Attributes:
        texts: Number of texts of one pass.
        passes: Seconds of each pass.
        p50_ms: Median delay of a single text, in milliseconds.
        p99_ms: 99th percentile of the delay of a single text, in milliseconds.
        peak_memory_bytes: Peak memory of the process.
        load_seconds: Time from the start of the process to the first prediction.
    """

    texts: int
    passes: list[float]
    p50_ms: float
    p99_ms: float
    peak_memory_bytes: int
    load_seconds: float


def measure_speed(
    run: Path, texts: Sequence[Text], seconds: float, started: float, *, trust_remote_code: bool
) -> Timings:
    """Time a run on the CPU in this process: passes over many texts first, then single texts.

    Args:
        run: Run folder.
        texts: Texts to predict; a pass takes as many of them as about a quarter of the time allows.
        seconds: About how long to measure.
        started: When this process was started, in seconds since 1970.
        trust_remote_code: Whether Python classes that come with the model may be run.

    Raises:
        TrifoldError: If the run cannot be loaded.
    """
    predictor = load_local_run(run, ComputeSettings(device="cpu", trust_remote_code=trust_remote_code)).predictor
    predictor.score(texts[:1])
    load_seconds = time.time() - started
    predictor.score(texts[:_WARM_UP_TEXTS])
    begun = time.perf_counter()
    predictor.score(texts[: 4 * _WARM_UP_TEXTS])
    pace = len(texts[: 4 * _WARM_UP_TEXTS]) / (time.perf_counter() - begun)
    sample = texts[: max(_WARM_UP_TEXTS, int(pace * seconds / 4))]
    passes = list(_timed(lambda: predictor.score(sample), 0.7 * seconds, _MIN_PASSES))
    one = itertools.cycle(texts)
    singles = list(_timed(lambda: predictor.score([next(one)]), 0.3 * seconds, _MIN_SINGLES))
    p50, p99 = (1000 * float(np.percentile(singles, share)) for share in (50, 99))
    return Timings(len(sample), passes, p50, p99, peak_memory_bytes(), load_seconds)


def _timed(work: Callable[[], object], seconds: float, fewest: int) -> Iterator[float]:
    """Repeat `work` for about `seconds`, at least `fewest` times, and yield the seconds of each repetition."""
    deadline = time.perf_counter() + seconds
    count = 0
    while count < fewest or time.perf_counter() < deadline:
        begun = time.perf_counter()
        work()
        yield time.perf_counter() - begun
        count += 1


if __name__ == "__main__":
    end_with_parent()
    own_process()
    _RUN, _TEXTS, _SECONDS, _STARTED, _TRUST = sys.argv[1:]
    try:
        _FOUND = measure_speed(
            Path(_RUN),
            [TextPair(*text) if isinstance(text, list) else text for text in json.loads(Path(_TEXTS).read_text())],
            float(_SECONDS),
            float(_STARTED),
            trust_remote_code=bool(int(_TRUST)),
        )
    except TrifoldError as error:
        print(f"trifold: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    print(json.dumps(vars(_FOUND)))  # noqa: T201
