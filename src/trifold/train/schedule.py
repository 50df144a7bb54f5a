"""The learning-rate schedule, and how far along it a training has come."""

from collections.abc import Callable


def warmup_then_decay(total_steps: int, warmup_ratio: float, *, decay: bool = True) -> Callable[[float], float]:
    """The learning rate's factor at a step: up in a line over the warm-up, then down in a line to zero, or level."""
    warmup = max(1, round(total_steps * warmup_ratio))

    def factor(step: float) -> float:
        if step < warmup:
            return min(1.0, (step + 1) / warmup)
        if not decay:
            return 1.0
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup))

    return factor


class Pace:
    """How far a training has come: by its steps or, where minutes are its limit, by the clock.

    Args:
        total_steps: All steps; where the clock is the limit, those that it was expected to allow.
        limit_seconds: The limit, if the clock is it.
        seconds: Gives the seconds since training began.
    """

    def __init__(self, total_steps: int, limit_seconds: float | None, seconds: Callable[[], float]) -> None:
        self._total, self._limit, self._seconds = total_steps, limit_seconds, seconds
        self._shown = 0.0

    def at(self, step: int) -> float:
        """Steps done; where the clock is the limit, those that would be done by now at the expected speed."""
        return step if self._limit is None else self._total * self._seconds() / self._limit

    def in_time(self) -> bool:
        """Whether there is time left."""
        return self._limit is None or self._seconds() < self._limit

    def units_left(self, tokens: int) -> int:
        """What is left to be shown as progress: tokens, or milliseconds where the clock is the limit."""
        if self._limit is None:
            return tokens
        self._shown = self._seconds()
        return max(1, int(1_000 * (self._limit - self._shown)))

    def units_done(self, tokens: int) -> int:
        """What computing so many tokens has done, in the units of `units_left`."""
        if self._limit is None:
            return tokens
        passed = int(1_000 * (self._seconds() - self._shown))
        self._shown += passed / 1_000
        return passed
