"""A server's API key: read from the environment, checked, and removed from everything that the server sends."""

import os
from collections.abc import Callable

from trifold.errors import LlmError
from trifold.terminal import printable

_REMOVED = "[key removed]"
# Values that users set where a server needs no key. They are no secrets, and may be words of an answer.
_NO_KEYS = ("none", "empty")


class Secret:
    """An API key, possibly empty.

    Args:
        variable: Environment variable that holds it; white space around it is removed.

    Raises:
        LlmError: If it holds a character that no key has; the message does not show the value.
    """

    def __init__(self, variable: str) -> None:
        value = os.environ.get(variable, "").strip()
        if not all("!" <= character <= "~" for character in value):
            raise LlmError(
                f"the environment variable {variable} holds a character that no key has (a line break, a space, a "
                "letter beyond ASCII): set it to the key alone"
            )
        self.value = value
        self._hidden = bool(value) and value.casefold() not in _NO_KEYS

    def removed(self, text: str) -> str:
        """The text without the key, even if control sequences are inserted in the key."""
        if not self._hidden:
            return text
        text = text.replace(self.value, _REMOVED)
        seen = printable(text)
        return seen.replace(self.value, _REMOVED) if self.value in seen else text

    def removing(self, show: Callable[[str], object]) -> "RemovingPieces":
        """Removes the key from a text that comes in pieces, which are passed on to `show`."""
        return RemovingPieces(self, show)


class RemovingPieces:
    """Passes on the pieces of a text without the key, which may begin in one piece and end in another.

    Args:
        secret: The key.
        show: Called with each part that holds no part of the key.
    """

    def __init__(self, secret: Secret, show: Callable[[str], object]) -> None:
        self._secret = secret
        self._show = show
        self._held = ""

    def __call__(self, piece: str) -> None:
        """Pass on a piece, except an end that may begin the key: that waits for the next piece."""
        key, text = self._secret.value, self._secret.removed(self._held + piece)
        begun = next((size for size in range(min(len(key) - 1, len(text)), 0, -1) if text.endswith(key[:size])), 0)
        self._held = text[len(text) - begun :]
        if complete := text[: len(text) - begun]:
            self._show(complete)

    def end(self) -> None:
        """Pass on the rest: no more pieces will come."""
        if self._held:
            self._show(self._held)
        self._held = ""
