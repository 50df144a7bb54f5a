"""`--events text|json`: how messages and progress are written on standard error. Every command takes it."""

import sys

from trifold.errors import SettingsError
from trifold.event_sinks import JsonLines, Terminal
from trifold.events import EventSink

_FLAG = "--events"


def take_event_flag(arguments: list[str]) -> tuple[list[str], EventSink]:
    """Take `--events` out of the arguments.

    Args:
        arguments: Arguments of the command line; what stands behind `--` is left alone.

    Returns:
        The other arguments, and the sink that was asked for.

    Raises:
        SettingsError: If its value is neither text nor json.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept, kind, number = arguments[end:], "text", 0
    before: list[str] = []
    while number < end:
        word = arguments[number]
        if word == _FLAG:
            number += 1
            kind = arguments[number] if number < end else ""
        elif word.startswith(f"{_FLAG}="):
            kind = word.removeprefix(f"{_FLAG}=")
        else:
            before.append(word)
        number += 1
    if kind not in ("text", "json"):
        raise SettingsError(f"{_FLAG} {kind!r} is not allowed: give text, or json for a JSON object a line")
    return before + kept, JsonLines(sys.stderr) if kind == "json" else Terminal.of_process()
