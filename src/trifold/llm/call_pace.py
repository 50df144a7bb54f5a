"""How many calls a server is asked at the same time: found out from its answers.

One call more is allowed after each round of calls, as long as these take no longer than the fastest round; where more
calls at a time only make each wait, it is one less. A server that has too much to do (429, 503) halves the number, and
nobody calls before the time that it asks for.

Source: Chiu and Jain 1989, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer
Networks" (additive increase, multiplicative decrease).
"""

import threading
import time
from statistics import median

# Calls at the same time before anything is known of the server.
FIRST = 4
# A round that takes so many times the seconds of the fastest one is no gain; one that takes less is no loss.
_NO_GAIN = 1.5
_NO_LOSS = 1.2
# The fastest round is forgotten slowly, since later texts may be longer.
_FORGETTING = 1.05
# How often a call looks whether it may begin, where the number was lowered while more were under way.
_LOOKING_SECONDS = 0.02


class CallPace:
    """The number of calls at the same time, and the moment before which none is made. Threads may share it.

    Args:
        most: The highest number.

    Attributes:
        now: The number that is allowed at this moment.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._under_way = 0
        self._not_before = 0.0
        self._round: list[float] = []
        self._fastest = 0.0
        self._halved = 0.0
        self.now = min(FIRST, most)

    def begin(self) -> float:
        """Begin a call if one may begin now; `end` must follow.

        Returns:
            0 if it has begun, else the seconds after which to try again.
        """
        with self._lock:
            early = self._not_before - time.monotonic()
            if early > 0:
                return early
            if self._under_way >= self.now:
                return _LOOKING_SECONDS
            self._under_way += 1
            return 0.0

    def end(self, answered_after: float | None) -> None:
        """End a call.

        Args:
            answered_after: Seconds after which its answer came; `None` if it brought none.
        """
        with self._lock:
            self._under_way -= 1
            if answered_after is None:
                return
            self._round.append(answered_after)
            if len(self._round) < self.now:
                return
            taken, self._round = median(self._round), []
            self._fastest = min(self._fastest * _FORGETTING or taken, taken)
            if taken > _NO_GAIN * self._fastest:
                self.now = max(1, self.now - 1)
            elif taken <= _NO_LOSS * self._fastest:
                self.now = min(self._most, self.now + 1)

    def throttled(self, began: float, wait_seconds: float) -> None:
        """The server refused a call because it has too much to do.

        Args:
            began: When the call was made, by `time.monotonic`. Calls that were under way together halve once.
            wait_seconds: The wait before the next call, whichever it is.
        """
        with self._lock:
            now = time.monotonic()
            if began >= self._halved:
                self._halved = now
                self.now = max(1, self.now // 2)
                self._round = []
            self._not_before = max(self._not_before, now + wait_seconds)
