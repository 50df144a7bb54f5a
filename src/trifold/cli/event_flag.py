"""The flags on messages, which every command takes: `--quiet`, `--verbose` and `--events text|json`."""

import os
import sys

from trifold.errors import SettingsError
from trifold.event_sinks import FromLevel, JsonLines, Terminal
from trifold.events import EventSink, Level, Message
from trifold.version import versions

EVENT_FLAGS = ("--quiet", "--verbose", "--events")
_LEVELS: dict[str, Level] = {"--quiet": "warning", "--verbose": "detail"}


def take_event_flags(arguments: list[str]) -> tuple[list[str], EventSink]:
    """Take `--quiet`, `--verbose` and `--events` out of the arguments.

    Args:
        arguments: Arguments of the command line; what stands behind `--` is left alone.

    Returns:
        The other arguments, and the sink that was asked for.

    Raises:
        SettingsError: If `--events` is neither text nor json, or both of the others are given.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    asked = dict.fromkeys(word for word in arguments[:end] if word in _LEVELS)
    if len(asked) > 1:
        raise SettingsError("--quiet with --verbose is not allowed: leave one of them out")
    level = _LEVELS[next(iter(asked))] if asked else "info"
    before, kind = _take_kind([word for word in arguments[:end] if word not in _LEVELS])
    if kind not in ("text", "json"):
        raise SettingsError(f"--events {kind!r} is not allowed: give text, or json for a JSON object a line")
    sink = FromLevel(JsonLines(sys.stderr) if kind == "json" else Terminal.of_process(), level)
    if level == "detail":
        _set_verbose(sink)
    return before + arguments[end:], sink


def _take_kind(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments without `--events`, and its value; the last one counts."""
    words, kept, kind = iter(arguments), [], "text"
    for word in words:
        if word == "--events":
            kind = next(words, "")
        elif word.startswith("--events="):
            kind = word.removeprefix("--events=")
        else:
            kept.append(word)
    return kept, kind


def _set_verbose(sink: FromLevel) -> None:
    """Say the versions, and have transformers and the hub's client log what they do; neither is imported yet."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "info")
    os.environ.setdefault("HF_HUB_VERBOSITY", "info")
    sink.send(Message(", ".join(f"{name} {number}" for name, number in versions().items()), "detail"))
