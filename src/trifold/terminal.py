"""Text from files, models and servers, made fit for a terminal."""

import re
from collections.abc import Callable, Sequence
from typing import TextIO, cast

# Escape sequences as a terminal reads them: CSI (colours, cursor), OSC (titles, links, the clipboard) and the like.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# The same at the end of a text that is not all there yet.
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*\x1b?|\x1b[ -/]*)\Z"
)
_LONGEST_SEQUENCE = 4_096
_BARS = "▁▂▃▄▅▆▇█"
# What moves the cursor, rings, or turns the direction of what follows; line breaks and tabs stay.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text without what a terminal would obey instead of show.

    Line breaks and tabs stay; a carriage return, half of a surrogate pair and marks that turn the direction of writing
    do not.
    """
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))


def for_terminal(stream: TextIO) -> TextIO:
    """The stream, or where it is a terminal one without what that would obey; pipes and files get every character."""
    return cast("TextIO", _Printable(stream)) if stream.isatty() else stream


def shows(stream: TextIO, text: str) -> bool:
    """Whether a stream is a terminal that has characters for all of a text, which is not empty."""
    try:
        return (
            bool(text) and stream.isatty() and text == text.encode(stream.encoding or "ascii").decode(stream.encoding)
        )
    except (UnicodeError, LookupError, ValueError):
        return False


def sparkline(values: Sequence[float]) -> str:
    """A bar for each number, the lowest for the least of them; nothing for fewer than two, or where all are equal."""
    if len(values) < 2 or min(values) == max(values):
        return ""
    low, height = min(values), max(values) - min(values)
    return "".join(_BARS[round((len(_BARS) - 1) * (value - low) / height)] for value in values)


class _Printable:
    """Rows for a terminal: what introduces a sequence is dropped, and no cell can hide what stands behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_CONTROLS.sub("", text))


class PrintablePieces:
    """`printable` for a text that arrives in pieces: an escape sequence may begin in one piece and end in another.

    Args:
        show: Told each part that is known to be fit for a terminal.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._held = ""

    def __call__(self, piece: str) -> None:
        """Show what can be told from this piece; what may be the beginning of a sequence waits for the next."""
        text = self._held + piece
        begun = _UNFINISHED.search(text)
        self._held = text[begun.start() :] if begun else ""
        if len(self._held) > _LONGEST_SEQUENCE:
            # It is dropped, as a whole one would be.
            self._held = self._held[:2]
        if shown := printable(text[: begun.start()] if begun else text):
            self._show(shown)

    def end(self) -> None:
        """Nothing more comes."""
        shown, self._held = printable(self._held), ""
        if shown:
            self._show(shown)
