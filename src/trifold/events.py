"""Progress on stderr with a true time of arrival, counted in tokens (texts differ in length a hundredfold)."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from trifold.formatting import duration
from trifold.terminal import printable

Advance = Callable[[int], None]
_PLAIN_INTERVAL_SECONDS = 20.0


def say(message: str) -> None:
    """One line for the user, on stderr: results alone go to stdout."""
    print(printable(message), file=sys.stderr, flush=True)


@cache
def say_once(message: str) -> None:
    """Say something that many callers may meet, the first time alone."""
    say(message)


@contextmanager
def track(what: str, total_tokens: int) -> Iterator[Advance]:
    """Show how far `what` has come; the caller reports tokens done.

    On a terminal this is a bar; elsewhere a plain line now and then, so that a log file stays readable.

    Args:
        what: For example `"encoding 4,000 texts"`.
        total_tokens: Tokens of the whole work; nothing is shown where it is 0.
    """
    if total_tokens == 0:
        yield lambda _tokens: None
        return
    if not sys.stderr.isatty():
        yield _plain(what, total_tokens)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        # Names in it may look like markup, and are none.
        *(TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()),
        *(TimeRemainingColumn(), TextColumn("left,"), TimeElapsedColumn(), TextColumn("so far")),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(what), total=max(1, total_tokens))
        yield lambda tokens: bar.advance(task, tokens)


def _plain(what: str, total_tokens: int) -> Advance:
    started = last = time.monotonic()
    done = 0

    def advance(tokens: int) -> None:
        nonlocal done, last
        done += tokens
        now = time.monotonic()
        if now - last >= _PLAIN_INTERVAL_SECONDS and 0 < done < total_tokens:
            last = now
            left = (now - started) * (total_tokens - done) / done
            say(f"{what}: {100 * done / total_tokens:.0f} %, {duration(left)} left")

    return advance
