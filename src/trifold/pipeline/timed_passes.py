"""How long the test rows take: passes over them are repeated while they are short, for timings differ each time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

# Passes over the test rows are timed again, at least once, until they have taken so long, but not more often than this.
_ENOUGH_SECONDS, _MOST_PASSES = 0.5, 5
# A pass that takes longer is timed once.
_LONG_SECONDS = 20.0

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class TimedPasses(Generic[_Found]):
    """Passes over the test rows.

    Attributes:
        found: What the last pass gave.
        seconds: Seconds of each pass.
    """

    found: _Found
    seconds: tuple[float, ...]


def timed_passes(
    score: Callable[[], _Found],
    cached_seconds: Callable[[_Found], float] = lambda _: 0.0,
    *,
    once: bool = False,
) -> TimedPasses[_Found]:
    """Score the test rows, in several passes where one is short.

    What a pass takes differs by some milliseconds each time, which must not decide between methods.

    Args:
        score: A pass.
        cached_seconds: What those parts of its work once took that were done before.
        once: Whether one pass must do, as where each costs money.
    """
    seconds: list[float] = []
    while True:
        begun = time.monotonic()
        found = score()
        seconds.append(time.monotonic() - begun + cached_seconds(found))
        enough = len(seconds) > 1 and sum(seconds) >= _ENOUGH_SECONDS
        if once or enough or seconds[0] > _LONG_SECONDS or len(seconds) == _MOST_PASSES:
            return TimedPasses(found, tuple(seconds))
