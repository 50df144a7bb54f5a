"""Ctrl-C and SIGTERM handled by a block of code, or held back while a stop would cost what is finished."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Inside, some signals are handled so; afterwards as before. For the main thread, which alone gets signals."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


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
    ours = [number for number, handler in before.items() if callable(handler) or handler is signal.SIG_DFL]
    try:
        with handled(ours, note):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])
