"""What became of a command, told by what it printed: whoever starts the app again cannot ask for an exit code."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifold.app.record import State
from trifold.json_reading import parse_json

_KILLED = "it was killed, most likely for lack of memory: close other programs, or choose fewer or smaller methods"
_NO_ANSWER = "it ended without an answer: it was killed, or the machine was switched off; start it again"
_CRASHED = "it failed, and its last messages say why: start it again, and report them if it fails again"


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        state: Of its job.
        error: Why it failed.
    """

    state: State
    error: str = ""


def printed(path: Path) -> Any:
    """The JSON that a command printed; of one that refuses, the last line. `None` where there is none."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    for part in (text, text.strip().rpartition(b"\n")[2]):
        try:
            return parse_json(part)
        except ValueError:
            continue
    return None


def outcome(output: Path, *, cancelled: bool, exit_code: int | None) -> Outcome:
    """How a command ended.

    Args:
        output: What it printed.
        cancelled: Whether it was told to end.
        exit_code: Of its process; `None` where that was not a child of this one.
    """
    found = printed(output)
    refused = isinstance(found, dict) and "error_type" in found
    if found is not None and not refused and exit_code in (0, None) and not (cancelled and exit_code is None):
        return Outcome("finished")
    if cancelled:
        return Outcome("cancelled")
    if refused:
        return Outcome("failed", str(found["error"]))
    if exit_code == -signal.SIGKILL:
        return Outcome("failed", _KILLED)
    return Outcome("failed", _NO_ANSWER if exit_code is None else _CRASHED)
