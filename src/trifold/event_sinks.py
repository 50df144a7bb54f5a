"""Where messages and progress can go: text on a terminal or in a log, JSON lines, or nowhere."""

import json
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, TextIO

from trifold.events import LEVELS, Event, EventSink, Level, Losses, Message, Progress
from trifold.formatting import duration
from trifold.terminal import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LINE_SECONDS = 20.0
_TICK_SECONDS = 2.0
_JSON_SECONDS = 1.0


class Terminal:
    """Text on standard error: a bar that is redrawn on a terminal; elsewhere a line now and then, fit for a log.

    Results alone go to standard output.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines = _Seldom(_LINE_SECONDS)
        self._bars: dict[int, tuple[Bars, TaskID]] = {}
        # Work that is not drawn as a bar: its last event, and when that came.
        self._open: dict[int, tuple[Progress, float]] = {}
        self._clock: threading.Thread | None = None

    @staticmethod
    @cache
    def of_process() -> "Terminal":
        """The one that is used where no sink is named: bars of one process must know of each other."""
        return Terminal()

    def send(self, event: Event) -> None:
        """Show the event."""
        if isinstance(event, Message):
            print(printable(event.text), file=sys.stderr, flush=True)
            return
        if isinstance(event, Losses):
            # They stand in the line of the epoch.
            return
        with self._lock:
            if event.work in self._bars or (sys.stderr.isatty() and not self._bars):
                self._draw(event)
            else:
                self._write(event)

    def _draw(self, event: Progress) -> None:
        if event.work not in self._bars:
            bars = _new_bars()
            bars.start()
            self._bars[event.work] = bars, bars.add_task(printable(event.task), total=event.total)
        bars, task = self._bars[event.work]
        bars.update(task, completed=event.done)
        if event.ended:
            bars.stop()
            del self._bars[event.work]

    def _write(self, event: Progress) -> None:
        if event.ended:
            self._open.pop(event.work, None)
        else:
            self._open[event.work] = event, time.monotonic()
            self._watch()
        self._show_line(event)

    def _show_line(self, event: Progress) -> None:
        if not self._lines.is_due(event) or event.done >= event.total:
            return
        left = event.seconds_left
        if left is None:
            shown = f"at work for {duration(event.seconds)}"
        else:
            shown = f"{100 * event.done / event.total:.0f} %, {duration(left)} left"
        with suppress(OSError, ValueError):
            print(printable(f"{event.task}: {shown}"), file=sys.stderr, flush=True)

    def _watch(self) -> None:
        """Have lines come, too, while a piece of work sends nothing: one step of it may take minutes."""
        if self._clock is None or not self._clock.is_alive():
            self._clock = threading.Thread(target=self._tick_while_open, daemon=True)
            self._clock.start()

    def _tick_while_open(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            with self._lock:
                if not self._open:
                    self._clock = None
                    return
                self.tick()

    def tick(self) -> None:
        """Show a line of each piece of work that is under way and has had none for long."""
        for event, came in list(self._open.values()):
            self._show_line(replace(event, seconds=event.seconds + time.monotonic() - came))


class JsonLines:
    """A JSON object a line, for programs: `{"event": "message", "text": …, "level": …}`, `progress` and `losses`.

    Progress comes at its beginning, at most once a second, and at its end.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._lines = _Seldom(_JSON_SECONDS)

    def send(self, event: Event) -> None:
        """Write the event."""
        with self._lock:
            if not isinstance(event, Progress) or not event.done or event.ended or self._lines.is_due(event):
                kind = type(event).__name__.lower()
                # Whoever listened may be gone, which is no reason to lose the work.
                with suppress(OSError):
                    print(json.dumps({"event": kind, **asdict(event)}), file=self._stream, flush=True)


class FromLevel:
    """Hands on messages from a level upwards; progress and losses count as `info`.

    Args:
        sink: Where to.
        level: The lowest that is handed on.
    """

    def __init__(self, sink: EventSink, level: Level) -> None:
        self.sink = sink
        self.level = level

    def send(self, event: Event) -> None:
        """Hand the event on, or drop it."""
        level = event.level if isinstance(event, Message) else "info"
        if LEVELS.index(level) >= LEVELS.index(self.level):
            self.sink.send(event)


@cache
def usual_sink() -> FromLevel:
    """Where events go if no sink is named: to the terminal, details left out."""
    return FromLevel(Terminal.of_process(), "info")


class Silence:
    """Takes events and shows nothing."""

    def send(self, event: Event) -> None:
        """Drop the event."""


class _Seldom:
    """Lets an event of a piece of work through when so many seconds have gone by since the last one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[int, float] = {}

    def is_due(self, event: Progress) -> bool:
        if event.ended:
            self._last.pop(event.work, None)
            return False
        if event.seconds - self._last.setdefault(event.work, 0.0) < self._seconds:
            return False
        self._last[event.work] = event.seconds
        return True


def read_json_line(line: str) -> Event:
    """The event that `JsonLines` wrote as `line`; any other line, such as one of a library, as a warning."""
    try:
        found = json.loads(line)
        kind = {"message": Message, "progress": Progress, "losses": Losses}[found.pop("event")]
        event: Event = kind(**found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Message(line.rstrip("\n"), "warning")
    return event


def _new_bars() -> "Bars":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        # Names in it may look like markup, and are none.
        *(TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()),
        *(TimeRemainingColumn(), TextColumn("left,"), TimeElapsedColumn(), TextColumn("so far")),
    )
    return Bars(*columns, console=Console(stderr=True), transient=True)
