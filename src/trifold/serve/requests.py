"""A request while it waits and is computed, and the rows that it consists of."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifold.models.tokens import Tokens
from trifold.serve.errors import StoppingError
from trifold.serve.replies import Timing
from trifold.types import Text

if TYPE_CHECKING:
    from trifold.serve.heads import Head
    from trifold.serve.passes import Pass


@dataclass(eq=False, slots=True)
class Row:
    """One text of a request, ready to be computed.

    Attributes:
        request: Whose it is.
        number: Its place among the request's texts.
        text: The text itself, where it is read as it is; else `None`.
        tokens: Holds its tokens; `None` where the text is read as it is.
        positions: Where in `tokens`; two of them where the texts of a pair are read apart.
        size: Its tokens in all; about as many where it is read as it is.
        windows: Rows that it takes of a batch.
        longest: Tokens of the longest of these.
        truncated: Whether it was too long to be read whole.
        keys: A digest of each of its tokens, which equal texts of one pass share; none where it is read as it is.
    """

    request: "Request"
    number: int
    text: Text | None
    tokens: Tokens | None
    positions: tuple[int, ...]
    size: int
    windows: int
    longest: int
    truncated: bool
    keys: tuple[bytes, ...] = ()


@dataclass(eq=False, slots=True)
class Batch:
    """Rows that are computed together.

    Attributes:
        rows: At least one.
        seconds: About how long it takes.
        lent: Seconds of it in which others had their turn.
    """

    rows: list[Row]
    seconds: float
    lent: float = 0.0


class Request:
    """Some texts that wait for the results of some heads.

    The queue's lock guards what changes, but for `future`.

    Args:
        texts: At least one.
        work: The pass that computes them.
        heads: Whose results are wanted, all of `work`.
        truncate: Whether texts that are too long are cut, and not refused.
        background: Whether everything else goes first.

    Attributes:
        future: Gets the results: for each head a list, whose entries are those of the texts.
        rows: Those that wait to be computed, by number.
        unread: Texts that are not yet tokens.
        left: Texts without results.
        seconds_left: About how long computing them takes.
        begins: Virtual time at which it came, and what was done of it since then, in seconds (`request_queue.py`).
        same: What requests for the same texts by the same pass have in common.
        lengths: Tokens of each text, as far as it was read.
        truncated: Whether each was too long to be read whole.
    """

    def __init__(
        self,
        texts: Sequence[Text],
        work: "Pass",
        heads: "Sequence[Head]",
        *,
        truncate: bool = True,
        background: bool = False,
    ) -> None:
        self.texts, self.work, self.heads = texts, work, tuple(heads)
        self.truncate, self.background = truncate, background
        self.future: Future[list[list[Any]]] = Future()
        self.results: list[list[Any]] = [[None] * len(texts) for _ in heads]
        self.rows: dict[int, Row] = {}
        self.unread = self.left = len(texts)
        self.lengths, self.truncated = [0] * len(texts), [False] * len(texts)
        self.seconds_left = self.begins = 0.0
        self.same = hash((id(work), *map(str, self.texts)))
        self.arrived = time.perf_counter()
        self.read = self.started = self.finished = self.arrived

    @property
    def done(self) -> bool:
        """Whether nobody waits for it any more: answered, failed or cancelled."""
        return self.future.done()

    def fail(self, error: BaseException) -> None:
        """Give up, unless it is done."""
        if not self.done:
            try:
                self.future.set_exception(error)
            except InvalidStateError:  # cancelled at this moment
                return

    def stop(self) -> None:
        """Give up because the server stops."""
        self.fail(StoppingError("the server is stopping: send the request again in a moment"))

    def answer(self) -> None:
        """Hand the results over, unless it is done."""
        self.finished = time.perf_counter()
        if not self.done:
            try:
                self.future.set_result(self.results)
            except InvalidStateError:  # cancelled at this moment
                return

    def timing(self) -> Timing:
        """Where the time went."""
        begun = min(max(self.started, self.read), self.finished)
        return Timing(
            tokenising=self.read - self.arrived,
            queue=begun - self.read,
            inference=self.finished - begun,
            total=self.finished - self.arrived,
        )
