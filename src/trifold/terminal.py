"""Text from files, models and servers, made fit for a terminal."""

import re

# Escape sequences as a terminal reads them: CSI (colours, cursor), OSC (titles, links, the clipboard) and the like.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# What moves the cursor, rings, or turns the direction of what follows; line breaks and tabs stay.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text without what a terminal would obey instead of show.

    Line breaks and tabs stay; a carriage return, half of a surrogate pair and marks that turn the direction of writing
    do not.
    """
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))
