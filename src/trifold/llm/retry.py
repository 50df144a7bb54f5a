"""Which calls of a language model are made again, how often, and after which wait."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from trifold.llm.contract import TransientError

FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
# Request timeout, conflict, too early, too many requests; every status from 500 on is a fault of the server.
_RETRIED_STATUSES = (408, 409, 425, 429)

Result = TypeVar("Result")


def is_retried(status: int) -> bool:
    """Whether a call that a server answered with this HTTP status may succeed if it is made again."""
    return status in _RETRIED_STATUSES or status >= 500


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wait that a server asks for in its `Retry-After` header; `None` if it names neither seconds nor a date."""
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            until = parsedate_to_datetime(asked)
        except (ValueError, TypeError, OverflowError):
            return None
        # A date of HTTP is one of Greenwich, whatever zone it leaves out.
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return seconds if math.isfinite(seconds) else None


@dataclass(frozen=True)
class RetryPolicy:
    """Makes a call again where it fails with a `TransientError`.

    Attributes:
        retries: How often a call is made again.
    """

    retries: int = 4

    def wait_seconds(self, attempt: int, asked_for: float | None) -> float:
        """The wait after a failed attempt.

        It doubles with each attempt. Chance shortens it by up to a half, so that several callers do not return at one
        moment.

        Args:
            attempt: Number of the attempt that failed, from 0.
            asked_for: The wait in seconds that the server asks for, which is followed up to a minute.
        """
        if asked_for is not None:
            return min(max(asked_for, 0.0), _LONGEST_WAIT_SECONDS)
        longest = min(FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 32), _LONGEST_WAIT_SECONDS)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def run(self, call: Callable[[], Result], wait: Callable[[TransientError, float], None]) -> Result:
        """The result of `call`, which is made again while it fails.

        Args:
            call: Makes one attempt.
            wait: Called before each further attempt with the error and the seconds to wait.

        Raises:
            TransientError: The last attempt's, if all fail.
        """
        attempt = 0
        while True:
            try:
                return call()
            except TransientError as error:
                if attempt == self.retries:
                    raise
                wait(error, self.wait_seconds(attempt, error.wait_seconds))
            attempt += 1
