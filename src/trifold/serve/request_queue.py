"""The queue: what is let in, and whose turn it is.

Requests share the machine fairly, as if all of them were computed at the same time and equally fast (weighted fair
queueing): each row gets the virtual time at which it would be finished then, and the least is next. A short text so
overtakes the long ones of others, and a long one is overtaken for no longer than its fair share takes. Work is counted
in seconds, since models differ.

Source: Demers, Keshav and Shenker 1989, "Analysis and Simulation of a Fair Queueing Algorithm".
"""

from collections.abc import Sequence
from itertools import islice, zip_longest
from threading import Condition

from trifold.serve.batches import fill_batch
from trifold.serve.errors import QueueFullError, StoppingError
from trifold.serve.passes import Pass
from trifold.serve.replies import Load
from trifold.serve.requests import Batch, Request, Row
from trifold.serve.settings import QueueSettings

# A large request may wait for so many times its own work, where that is longer than `queue_seconds`.
_TIMES_ITS_WORK = 16
# Rows of a request that are looked at for one batch.
_ROWS_LOOKED_AT = 256
# What may be computed between two layers of a batch: no more than this share of it; the smaller one where more requests
# wait than this, since short passes waste time.
_SHORT_SHARE, _SHARE_OF_MANY, _FEW_REQUESTS = 0.25, 0.1, 8


class RequestQueue:
    """Rows that wait for one thread. Several threads may use it.

    Args:
        settings: What is let in.
    """

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._changed = Condition()
        # Every request that is let in and not answered yet.
        self._requests: dict[Request, None] = {}
        self._tokens = 0
        self._now = 0.0
        self._closed = False

    def admit(self, request: Request, seconds: float, *, always: bool = False) -> None:
        """Let a request in, whose rows come later.

        Args:
            request: New.
            seconds: Its deadline.
            always: Whether it is let in however much there is to do, being a part of one that was.

        Raises:
            QueueFullError: If it would wait for too long, or too much waits.
            StoppingError: If it is closed.
        """
        tokens = request.work.tokens_of(request.texts)
        with self._changed:
            if self._closed:
                raise StoppingError("the server is stopping: send the request again in a moment")
            request.seconds_left = tokens * request.work.pace.seconds_per_token
            if not always:
                self._require_room(request, tokens, seconds)
            request.begins = self._now
            self._requests[request] = None

    def _require_room(self, request: Request, tokens: int, seconds: float) -> None:
        own, settings = request.seconds_left, self._settings
        wait = self._wait(own, request.same)
        bound = min(seconds, max(settings.queue_seconds, _TIMES_ITS_WORK * own))
        # What waits in the background keeps nobody out.
        others = sum(not other.background for other in self._requests)
        full = others >= settings.queue_requests or (self._tokens and self._tokens + tokens > settings.queue_tokens)
        if full or wait > bound:
            retry = max(0.1, wait)
            raise QueueFullError(
                f"the server is busy: {others:,} requests are under way, and this one would wait for "
                f"about {wait:.1f} seconds; try again in {retry:.1f} seconds",
                retry,
            )

    def _wait(self, own: float, same: int) -> float:
        """Seconds until a request of `own` seconds is done, less these: of each other one no more than its own work.

        Requests for the same texts by runs on one backbone take one pass, and count once.
        """
        waits: dict[int, float] = {}
        for other in self._requests:
            if not other.background and other.same != same:
                waits[other.same] = max(waits.get(other.same, 0.0), min(other.seconds_left, own))
        return sum(waits.values())

    def add(self, rows: Sequence[Row]) -> None:
        """Let rows wait; all are of one request, and after the last of its texts it is wholly read."""
        request = rows[0].request
        with self._changed:
            if request not in self._requests:
                return
            for row in rows:
                request.rows[row.number] = row
                self._tokens += row.size
            request.unread -= len(rows)
            waiting = sum(row.size for row in request.rows.values())
            unread = request.work.tokens_of(request.texts[len(request.texts) - request.unread :])
            request.seconds_left = (waiting + unread) * request.work.pace.seconds_per_token
            self._changed.notify()

    def remove(self, request: Request) -> None:
        """Forget a request: it is answered, has failed, or nobody waits for it any more."""
        with self._changed:
            if self._requests.pop(request, 0) is None:
                self._tokens -= sum(row.size for row in request.rows.values())
                request.rows.clear()
                self._changed.notify_all()

    def take(self) -> Batch | None:
        """Wait for rows, and take a batch of them; `None` once the queue is closed."""
        with self._changed:
            while not self._closed:
                waiting = [request for request in self._requests if request.rows]
                if waiting:
                    shown = [one for one in waiting if not one.background] or waiting
                    return self._taken(shown, None)
                self._changed.wait()
            return None

    def take_between(self, running: Batch) -> Batch | None:
        """Take what may be computed in the midst of a batch: the next in turn, where that is much shorter.

        Args:
            running: The batch; what others take of it is no more than it takes itself.
        """
        with self._changed:
            waiting = [request for request in self._requests if request.rows and not request.background]
            if self._closed or not waiting:
                return None
            leader = next(iter(min(waiting, key=_turn).rows.values()))
            share = _SHORT_SHARE if len(waiting) <= _FEW_REQUESTS else _SHARE_OF_MANY
            pace, most = leader.request.work.pace, share * running.seconds
            seconds = pace.seconds(leader.size)
            if seconds > most or running.lent + seconds > running.seconds:
                return None
            return self._taken(waiting, most)

    def _taken(self, waiting: list[Request], seconds: float | None) -> Batch:
        """A batch around the row whose turn it is.

        Args:
            waiting: Requests that have rows.
            seconds: About how long it may take; as its pass says where `None`.
        """
        waiting.sort(key=_turn)
        leader = next(iter(waiting[0].rows.values()))
        work = leader.request.work
        asked = [islice(request.rows.values(), _ROWS_LOOKED_AT) for request in waiting if request.work is work]
        # The first text of each request, then the second of each.
        others = [row for one_of_each in zip_longest(*asked) for row in one_of_each if row is not None]
        rows = fill_batch(leader, others, _budget(work, seconds), work.most_rows, even=work.few_shapes)
        each = work.pace.seconds_per_token
        for row in rows:
            request, cost = row.request, row.size * each
            del request.rows[row.number]
            self._tokens -= row.size
            request.begins += cost
            request.seconds_left = max(0.0, request.seconds_left - cost)
        size = sum(row.size for row in rows)
        self._now += size * each / len(waiting)
        return Batch(rows, work.pace.seconds(size))

    @property
    def load(self) -> Load:
        """How busy it is."""
        with self._changed:
            texts = sum(len(request.rows) for request in self._requests)
            wait = sum(request.seconds_left for request in self._requests if not request.background)
            return Load(len(self._requests), texts, self._tokens, wait)

    def close(self) -> list[Request]:
        """End `take`, and give back what is not answered."""
        with self._changed:
            self._closed, left = True, list(self._requests)
            for request in left:
                request.rows.clear()
            self._requests.clear()
            self._tokens = 0
            self._changed.notify_all()
            return left


def _turn(request: Request) -> float:
    """The virtual time at which a request's next row would be finished."""
    row = next(iter(request.rows.values()))
    return request.begins + row.size * request.work.pace.seconds_per_token


def _budget(work: Pass, seconds: float | None) -> int:
    """Tokens of a batch."""
    if seconds is not None:
        return min(work.token_budget, work.pace.tokens_within(seconds))
    if work.pass_seconds is None:
        return work.token_budget
    return min(work.token_budget, max(work.least_tokens, work.pace.tokens_within(work.pass_seconds)))
