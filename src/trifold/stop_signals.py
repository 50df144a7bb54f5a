"""Ctrl-C and SIGTERM held back for moments in which a stop would cost what is finished."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def signals_wait() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait; the first that came takes effect after the block, also where that fails.

    For blocks of a few seconds. In threads other than the main one, which get no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: Any) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored, or handled outside of Python, stays so.
    before = {number: handler for number, handler in before.items() if callable(handler) or handler is signal.SIG_DFL}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
