"""One method of a comparison in a process of its own: started, waited for, stopped, and why it failed."""

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trifold.artifact.manifest import STATE
from trifold.child_process import tied
from trifold.events import say
from trifold.pipeline.child_events import events_of_child
from trifold.pipeline.contestants import Contestant
from trifold.pipeline.request import as_argument
from trifold.stop_signals import handled

_GRACE_SECONDS = 20.0
_LOOK_SECONDS = 0.5


def run_in_own_process(
    one: Contestant, folder: Path, digest: str, seconds_left: float | None, interrupted: Callable[[], int]
) -> str | None:
    """Run `trifold finetune` in a process of its own, so that its peak memory is its own.

    Args:
        one: What to train.
        folder: Its run folder.
        digest: As `Task.digest`, of the data that it must read.
        seconds_left: After which it is stopped; never where `None`.
        interrupted: Whether the user stopped everything by now.

    Returns:
        The reason why there is no run; `None` where there is.
    """
    command = [
        *(sys.executable, "-m", "trifold", "finetune", as_argument(one.request.data), "--method", one.method),
        *(f"--output-dir={folder}", "--resume", "--json"),
        *one.request.for_method(one.method).flags(),
        *("--expected-data", digest),
    ]
    with (
        tied() as ties,
        events_of_child(folder.name) as events,
        subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            [*command, *events.flags], stdout=subprocess.PIPE, text=True, encoding="utf-8", **ties, **events.popen
        ) as process,
    ):
        try:
            output = _await(process, seconds_left, interrupted)
        finally:
            _stop(process)
    if output is None:
        how = "stopped before its end" if interrupted() else "stopped at the time limit"
        return how + ("; the same command with --resume goes on with it" if (folder / STATE).is_dir() else "")
    if process.returncode == 0:
        return None
    if interrupted():
        return "stopped before its end"
    if process.returncode == -signal.SIGKILL:
        return "it was killed, most likely for lack of memory"
    try:
        return str(json.loads(output.strip().splitlines()[-1])["error"])
    except (ValueError, KeyError, IndexError):
        return f"it failed with exit code {process.returncode}; its message stands above"


def _await(process: "subprocess.Popen[str]", seconds: float | None, interrupted: Callable[[], int]) -> str | None:
    """What the process printed; `None` if it was not done in time or the user stopped everything."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while time.monotonic() < deadline and not interrupted():
        try:
            return process.communicate(timeout=_LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            continue
    return None


def _stop(process: "subprocess.Popen[str]") -> None:
    """End the process if it still runs; it clears away what it had begun."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextmanager
def interrupts() -> Iterator[Callable[[], int]]:
    """Ctrl-C and SIGTERM are noted instead of raised, so that the verdict from what is done can still be written.

    Yields:
        A function that gives the number of the signal that came first; 0 where none did.
    """
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread alone; elsewhere there is nothing to catch.
        yield lambda: 0
        return
    seen = 0

    def note(number: int, _frame: object) -> None:
        nonlocal seen
        if not seen:
            say("stopping; the verdict comes from what is done")
        seen = seen or number

    with handled((signal.SIGINT, signal.SIGTERM), note):
        yield lambda: seen
