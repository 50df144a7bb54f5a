"""A run that answers beside another one without being seen: only how often they disagree is told."""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any

from trifold.inference.predict import Prediction
from trifold.serve.errors import ServingError
from trifold.serve.lanes import Lanes
from trifold.serve.observer import Observer
from trifold.serve.opening import Version
from trifold.serve.requests import Request
from trifold.types import Text

# Texts that may wait for a shadow; more are dropped, since it computes only when nobody waits.
_MOST_WAITING = 256


class Shadow:
    """Asks a run the same as another one was asked, once the answer is given and when there is nothing else to do.

    Args:
        version: Of the shadow.
        lanes: Compute its texts.
        observer: Hears of the disagreements.
    """

    def __init__(self, version: Version, lanes: Lanes, observer: Observer) -> None:
        self._version, self._lanes, self._observer = version, lanes, observer
        self._waiting = 0
        self._lock = Lock()

    def ask_beside(
        self, run: str, asked: Sequence[tuple[Sequence[Version], Request]], texts: Sequence[Text], seconds: float
    ) -> None:
        """Ask what a run was asked, if it was.

        Args:
            run: Beside which it answers.
            asked: Requests that were answered, with the versions that each of them came to.
            texts: Theirs.
            seconds: Deadline.
        """
        for versions, request in asked:
            for version, found in zip(versions, request.results, strict=True):
                if version.facts.name == run:
                    self.ask(run, texts, found, seconds)

    def ask(self, run: str, texts: Sequence[Text], answers: Sequence[Prediction], seconds: float) -> None:
        """Ask about some texts, unless too many wait; called from one thread.

        Args:
            run: That answered.
            texts: The texts.
            answers: What it said of them.
            seconds: Deadline.
        """
        name = self._version.facts.name
        with self._lock:
            busy = self._waiting + len(texts) > _MOST_WAITING
            self._waiting += 0 if busy else len(texts)
        if busy:
            self._observer.shadow_dropped(name, len(texts))
            return
        request = Request(texts, self._version.work, [self._version.labels], background=True)
        labels = [answer.label for answer in answers]

        def compare(done: "Future[list[list[Any]]]") -> None:
            with self._lock:
                self._waiting -= len(texts)
            if done.cancelled() or done.exception() is not None:
                self._observer.shadow_dropped(name, len(texts))
                return
            (found,) = done.result()
            differ = sum(str(one.label) != str(label) for one, label in zip(found, labels, strict=True))
            self._observer.shadowed(run, name, len(texts), differ)

        request.future.add_done_callback(compare)
        try:
            self._lanes.of(self._version).submit(request, seconds, reads_pairs=self._version.facts.reads_pairs)
        except ServingError as error:
            request.fail(error)
