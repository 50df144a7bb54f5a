"""Commands in processes of their own, which outlive whoever started them: started, found again, told to end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

# By which a process is found whose number could not be written down.
_VARIABLE = "TRIFOLD_JOB"
# The system may tell the beginning of a process a little differently each time it is asked.
_SAME_SECONDS = 1.0
COMMAND = (sys.executable, "-m", "trifold")


class Process(NamedTuple):
    """A process, told from a later one with the same number by when it began.

    Attributes:
        pid: Its number.
        began: Seconds since 1970.
    """

    pid: int
    began: float


def start(
    words: Sequence[str], mark: str, output: Path, events: Path, command: Sequence[str] = COMMAND
) -> tuple[Process, "subprocess.Popen[bytes]"]:
    """Start a command that goes on when this process ends, of Ctrl-C in its terminal, too.

    Args:
        words: Its arguments.
        mark: By which `found` knows it.
        output: Takes what it prints, from the beginning.
        events: Takes what it says, behind what is there.
        command: What takes the arguments.

    Raises:
        OSError: If it cannot be started.
    """
    with output.open("wb") as printed, events.open("ab") as said:
        running = subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
            env={**os.environ, _VARIABLE: mark},
            start_new_session=True,
        )
    began = 0.0
    with suppress(psutil.Error):
        began = psutil.Process(running.pid).create_time()
    return Process(running.pid, began), running


def runs(process: Process) -> bool:
    """Whether a process is at work still."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.began) < _SAME_SECONDS
        return bool(same and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        # It is there, and another's.
        return False


def find(mark: str) -> Process | None:
    """The process that was started with a mark, the eldest of them: it hands the mark on to its children."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.environ().get(_VARIABLE) == mark:
                found.append(Process(one.pid, one.create_time()))
    return min(found, key=lambda process: process.began, default=None)


def tell(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process, and SIGKILL to its children as well; nothing where it has ended."""
    if not runs(process):
        return
    with suppress(OSError):
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
