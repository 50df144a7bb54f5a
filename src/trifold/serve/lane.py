"""The threads that do the work: one that makes tokens of texts, and one that computes."""

import re
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread

from trifold.data.in_memory import texts_or_pairs_of
from trifold.engines.interludes import between_layers
from trifold.errors import DataError, TrifoldError, first_line
from trifold.events import say, with_this_sink
from trifold.runtime import prepare_own
from trifold.serve.errors import BrokenModelError, ServingError, TextTooLongError, UnusableTextError
from trifold.serve.observer import Observer
from trifold.serve.replies import Load
from trifold.serve.request_queue import RequestQueue
from trifold.serve.requests import Batch, Request, Row
from trifold.serve.settings import QueueSettings
from trifold.types import TextPair

# Texts of a request that are read before those of another one have their turn.
_TEXTS_AT_ONCE = 32


class Lane:
    """A queue with its threads. All models that compute here take turns in one of them, each with all cores.

    Args:
        name: For the threads.
        settings: What is let in.
        observer: Hears of each batch.
    """

    def __init__(self, name: str, settings: QueueSettings, observer: Observer) -> None:
        self._queue = RequestQueue(settings)
        self._observer, self._prepared = observer, False
        self._reader = ThreadPoolExecutor(1, f"trifold-{name}-reader")
        self._thread = Thread(target=with_this_sink(self._work), name=f"trifold-{name}", daemon=True)
        self._thread.start()

    def submit(self, request: Request, seconds: float, *, reads_pairs: bool, ours: bool = False) -> None:
        """Let a request in; its future gets the results.

        Args:
            request: New.
            seconds: Its deadline.
            reads_pairs: Whether its texts are to be pairs.
            ours: Whether it is part of what was let in already: its texts are not checked, nor how much there is to do.

        Raises:
            QueueFullError: As `RequestQueue.admit`.
            StoppingError: As `RequestQueue.admit`.
        """
        self._queue.admit(request, seconds, always=ours)
        # A future keeps what it calls: held by it, a request, and the version that it came to, would hold itself.
        known = weakref.ref(request)
        request.future.add_done_callback(lambda _: self._forget(known()))
        try:
            self._reader.submit(self._read, request, None if ours else reads_pairs)
        except RuntimeError:  # it was shut down at this moment
            request.stop()

    def _forget(self, request: Request | None) -> None:
        if request is not None:
            self._queue.remove(request)

    @property
    def load(self) -> Load:
        """How busy it is."""
        return self._queue.load

    def close(self) -> None:
        """Give up what is not answered, and end the threads."""
        for request in self._queue.close():
            request.stop()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def join(self, seconds: float) -> None:
        """Wait until the pass that is being computed is done."""
        self._thread.join(seconds)

    def _read(self, request: Request, reads_pairs: bool | None, start: int = 0) -> None:
        """Make tokens of a part of a request's texts; what is left has its turn after the other requests' texts."""
        if request.done:
            return
        end = min(start + _TEXTS_AT_ONCE, len(request.texts))
        try:
            if reads_pairs is not None:
                _require_usable(request, start, end, reads_pairs=reads_pairs)
            rows = request.work.read(request, start, end)
            for row in rows:
                request.lengths[row.number], request.truncated[row.number] = row.size, row.truncated
                _require_allowed(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            request.fail(_told(error))
            return
        if end == len(request.texts):
            request.read = time.perf_counter()
        self._queue.add(rows)
        if end < len(request.texts):
            try:
                self._reader.submit(self._read, request, reads_pairs, end)
            except RuntimeError:  # it was shut down at this moment
                request.stop()

    def _work(self) -> None:
        while batch := self._queue.take():
            if not self._prepared and "torch" in sys.modules:
                # Some of what is set belongs to the thread alone. TF-IDF never waits for PyTorch.
                prepare_own()
                self._prepared = True
            try:
                with between_layers(partial(self._let_in, batch)):
                    self._compute(batch)
            except Exception as error:  # noqa: BLE001 - without this thread nobody would ever get an answer again
                say(f"note: a batch got no answer: {type(error).__name__}: {first_line(error)}")
                for row in batch.rows:
                    row.request.fail(_told(error))

    def _let_in(self, running: Batch) -> None:
        """Compute short texts in the midst of a longer pass."""
        batch = self._queue.take_between(running)
        if batch is not None:
            begun = time.perf_counter()
            self._compute(batch)
            running.lent += time.perf_counter() - begun

    def _compute(self, batch: Batch) -> None:
        rows, begun = batch.rows, time.perf_counter()
        for request in {row.request: None for row in rows}:
            if request.started == request.arrived:
                request.started = begun
        work = rows[0].request.work
        try:
            texts, tokens, computed = work.compute(rows)
        except Exception as error:  # noqa: BLE001 - the thread must live on, and somebody waits for an answer
            self._one_by_one(batch, error)
            return
        seconds = time.perf_counter() - begun - batch.lent
        work.pace.add(computed, seconds)
        names = {head.name: None for row in rows for head in row.request.heads}
        self._observer.batch(tuple(names), texts, tokens, computed, seconds)
        for row in rows:
            row.request.left -= 1
            try:
                # Of a text that is read as it is, it is known only now.
                _require_allowed(row)
            except TextTooLongError as error:
                row.request.fail(error)
            if not row.request.left:
                row.request.answer()

    def _one_by_one(self, batch: Batch, error: Exception) -> None:
        """One text that the model fails on must not cost the others of its batch their answers."""
        if len(batch.rows) == 1:
            say(f"note: a request got no answer: {type(error).__name__}: {first_line(error)}")
            batch.rows[0].request.fail(_told(error))
            return
        for row in batch.rows:
            if not row.request.done:
                self._compute(Batch([row], batch.seconds))


def _require_usable(request: Request, start: int, end: int, *, reads_pairs: bool) -> None:
    """Refuse texts that are empty, no texts, or of the other kind."""
    for number, text in enumerate(request.texts[start:end], start=start + 1):
        if isinstance(text, TextPair) != reads_pairs:
            reads = "pairs of texts" if reads_pairs else "single texts"
            raise UnusableTextError(f"text {number} is of the wrong kind: this run reads {reads}")
    try:
        texts_or_pairs_of(request.texts[start:end])
    except DataError as error:
        # It counts from 0, as Python does, and from the start of this part.
        said = re.sub(r"text number (\d+)", lambda found: f"text {start + 1 + int(found[1])}", str(error), count=1)
        raise UnusableTextError(said) from None


def _require_allowed(row: Row) -> None:
    """Refuse a text that is too long, where it is not to be cut."""
    if row.truncated and not row.request.truncate:
        raise TextTooLongError(
            f"text {row.number + 1} is longer than this run reads: shorten it, or let it be truncated"
        )


def _told(error: Exception) -> ServingError:
    """The error as whoever asked is told it."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, DataError):
        return UnusableTextError(str(error))
    told = str(error) if isinstance(error, TrifoldError) else f"{type(error).__name__}: {first_line(error)}"
    return BrokenModelError(f"the model failed on this request: {told}")
