"""Messages and progress of long work, sent to whoever listens: a terminal, a log of JSON lines, a server, an app.

Code that works calls `say`, `say_detail` and `track`. Where they go is decided by whoever starts the work, with
`sending_to`; without it they go to standard error as text, details left out (`event_sinks.usual_sink`).
"""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from typing import Literal, ParamSpec, Protocol, TypeVar, get_args

# Of a message: for who wants to know more; for everyone; what is unusual.
Level = Literal["detail", "info", "warning"]
LEVELS: tuple[Level, ...] = get_args(Level)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

# Told how many more tokens (or characters, or calls) are done.
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Message:
    """A line for the user.

    Attributes:
        text: The line; begins with `note: ` where something is unusual.
        level: `detail`, `info` or `warning`.
    """

    text: str
    level: Level = "info"


@dataclass(frozen=True)
class Progress:
    """How far a piece of work has come.

    Attributes:
        work: A number that is unique within the process, equal in all events of this piece of work.
        task: What is done, such as `encoding 4,000 texts`.
        done: Units done, tokens for most work: texts differ in length a hundredfold.
        total: Units of the whole work.
        seconds: Since the work began.
        ended: Whether this is the last event of the work, finished or not.
        run: Name of the run that it belongs to, where a comparison trains several.
    """

    work: int
    task: str
    done: int
    total: int
    seconds: float
    ended: bool = False
    run: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the speed so far; `None` before anything is done."""
        return self.seconds * (self.total - self.done) / self.done if self.done else None


@dataclass(frozen=True)
class Losses:
    """What a training has come to at the end of an epoch, for whoever draws its curves.

    Attributes:
        epoch: Passes over the data done.
        train: Mean loss of the training examples.
        validation: Mean loss of the validation examples, calibrated: what the best epoch is chosen by.
        run: As in `Progress`.
    """

    epoch: float
    train: float
    validation: float
    run: str = ""


Event = Message | Progress | Losses


class EventSink(Protocol):
    """Takes events, from any thread."""

    def send(self, event: Event) -> None:
        """Take one event; must not raise."""
        ...


_SINK: ContextVar[EventSink | None] = ContextVar("event sink", default=None)
_WORKS = itertools.count(1)


def chosen_sink() -> EventSink | None:
    """The sink that `sending_to` named here; `None` where it named none."""
    return _SINK.get()


def current_sink() -> EventSink:
    """The sink that events go to here."""
    from trifold.event_sinks import usual_sink

    return chosen_sink() or usual_sink()


@cache
def say_once(message: str) -> None:
    """Say something that many callers may meet, the first time alone."""
    say(message)


@contextmanager
def sending_to(sink: EventSink) -> Iterator[None]:
    """Inside, events of this thread (or asynchronous task) go to `sink`."""
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)


def with_this_sink(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """`function` for another thread, where its events go to the sink of this one."""

    def call(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return context.copy().run(function, *arguments, **named)

    context = copy_context()
    return call


def say(message: str) -> None:
    """Send a line for the user; one that begins with `note: ` is a warning."""
    current_sink().send(Message(message, "warning" if message.startswith("note: ") else "info"))


def say_losses(epoch: float, train: float, validation: float) -> None:
    """Send what an epoch has come to."""
    current_sink().send(Losses(epoch, train, validation))


def say_detail(message: str) -> None:
    """Send a line for who wants to know more, as `--verbose` asks."""
    current_sink().send(Message(message, "detail"))


@contextmanager
def track(task: str, total: int) -> Iterator[Advance]:
    """Send how far a piece of work has come.

    Args:
        task: What is done, such as `encoding 4,000 texts`.
        total: Units of the whole work; nothing is sent where it is 0.

    Yields:
        A function that is told how many more units are done.
    """
    if total == 0:
        yield lambda _units: None
        return
    sink, work, begun, done = current_sink(), next(_WORKS), time.monotonic(), 0

    def send(*, ended: bool = False) -> None:
        sink.send(Progress(work, task, done, total, time.monotonic() - begun, ended))

    def advance(units: int) -> None:
        nonlocal done
        done += units
        send()

    send()
    try:
        yield advance
    finally:
        send(ended=True)
