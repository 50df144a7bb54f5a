"""Limits on calls and seconds, and the count of calls, tokens and money."""

import math
import threading
import time
from dataclasses import dataclass

from trifold.errors import BudgetError
from trifold.llm.settings import LlmSettings, Price


@dataclass(frozen=True)
class Spent:
    """What a command has cost so far.

    Attributes:
        calls: Calls made, failed ones included.
        from_log: Answers that came from the log.
        prompt_tokens: Prompt tokens of all answers, those from the log included.
        answer_tokens: Answer tokens of all answers, those from the log included.
        seconds_from_log: Time that the answers from the log once took.
    """

    calls: int = 0
    from_log: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds_from_log: float = 0.0

    def money(self, price: Price | None) -> float | None:
        """The cost of the tokens; `None` if no price was given."""
        return price.of(self.prompt_tokens, self.answer_tokens) if price else None


class SpendingLimit:
    """Counts calls and their cost, and refuses calls beyond the limits. Threads may share it.

    Args:
        max_calls: The most calls; `None` for no limit.
        max_seconds: The most seconds, counted from now; `None` for no limit.
    """

    def __init__(self, max_calls: int | None = None, max_seconds: float | None = None) -> None:
        self._max_calls = max_calls
        self._max_seconds = max_seconds
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self.spent = Spent()

    @classmethod
    def of(cls, settings: LlmSettings) -> "SpendingLimit":
        """The limits that the settings name."""
        return cls(settings.max_calls, settings.max_seconds)

    @property
    def seconds_left(self) -> float:
        """Seconds until `--max-seconds`; infinite without that limit."""
        if self._max_seconds is None:
            return math.inf
        return self._max_seconds - (time.monotonic() - self._started)

    def take(self) -> None:
        """Count a call that is about to be made.

        Raises:
            BudgetError: If it is beyond the limits.
        """
        with self._lock:
            if self._max_calls is not None and self.spent.calls >= self._max_calls:
                raise BudgetError(f"--max-calls {self._max_calls} is reached")
            if self.seconds_left <= 0:
                raise BudgetError(f"--max-seconds {self._max_seconds:g} is reached")
            self._add(calls=1)

    def charge(self, prompt_tokens: int, answer_tokens: int, seconds: float, *, from_log: bool) -> None:
        """Count an answer.

        Args:
            prompt_tokens: Tokens of its prompt.
            answer_tokens: Its tokens.
            seconds: Duration of the call.
            from_log: Whether it came from the log.
        """
        with self._lock:
            self._add(
                from_log=int(from_log),
                prompt_tokens=prompt_tokens,
                answer_tokens=answer_tokens,
                seconds_from_log=seconds if from_log else 0.0,
            )

    def _add(self, **more: float) -> None:
        self.spent = Spent(**{name: value + more.get(name, 0) for name, value in vars(self.spent).items()})
