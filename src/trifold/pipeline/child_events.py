"""Messages and progress of a `trifold` command that runs as a child process, sent to this process's event sink."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from trifold.event_sinks import FromLevel, Terminal, read_json_line
from trifold.events import EventSink, Level, Message, Progress, current_sink

# Of a child, so that it sends what is wanted here.
_FLAGS: dict[Level, tuple[str, ...]] = {"detail": ("--verbose",), "info": (), "warning": ("--quiet",)}


class ChildEvents(NamedTuple):
    """How a child is started so that its events arrive.

    Attributes:
        flags: For its command line.
        popen: Keyword arguments for `subprocess.Popen`.
    """

    flags: tuple[str, ...]
    popen: dict[str, Any]


@contextmanager
def events_of_child(run: str) -> Iterator[ChildEvents]:
    """Inside, one child is started with what this yields; at the end all its events have been sent.

    On a terminal the child writes to standard error itself: bars are drawn where the terminal is.

    Args:
        run: Name of what the child trains, which its progress and losses are given.
    """
    sink = current_sink()
    flags = _FLAGS[sink.level if isinstance(sink, FromLevel) else "info"]
    if isinstance(sink, FromLevel) and isinstance(sink.sink, Terminal):
        yield ChildEvents(flags, {})
        return
    read_end, write_end = os.pipe()
    forwarder = threading.Thread(target=_forward, args=(read_end, sink, run), daemon=True)
    forwarder.start()
    try:
        yield ChildEvents(("--events", "json", *flags), {"stderr": write_end})
    finally:
        os.close(write_end)
        forwarder.join()


def _forward(read_end: int, sink: EventSink, run: str) -> None:
    with open(read_end, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            event = read_json_line(line)
            if isinstance(event, Progress):
                # Numbers of works are unique within a process: those of a child are told from ours by their sign.
                event = replace(event, work=-event.work)
            sink.send(event if isinstance(event, Message) else replace(event, run=run))
