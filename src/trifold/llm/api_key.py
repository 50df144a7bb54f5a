"""A server's key: taken from the environment, checked before it is used, and taken out of whatever comes back."""

import os
from collections.abc import Callable

from trifold.errors import LlmError
from trifold.terminal import printable

_REMOVED = "[key removed]"
# What stands in for a key where none is wanted: known to all, and perhaps a label.
_NO_KEYS = ("none", "empty")


class Secret:
    """A key, or none.

    Args:
        variable: Environment variable that holds it; spaces and line breaks around it are left out.

    Raises:
        LlmError: If it holds what no key has; the value is not shown.
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
        """The text without the key, also where control sequences stand within it."""
        if not self._hidden:
            return text
        text = text.replace(self.value, _REMOVED)
        seen = printable(text)
        return seen.replace(self.value, _REMOVED) if self.value in seen else text

    def removing(self, show: Callable[[str], object]) -> "RemovingPieces":
        """The same for a text that comes in pieces."""
        return RemovingPieces(self, show)


class RemovingPieces:
    """Passes on pieces of a text without a key that may begin in one and end in another.

    Args:
        secret: The key.
        show: Told each part that holds no part of it.
    """

    def __init__(self, secret: Secret, show: Callable[[str], object]) -> None:
        self._secret = secret
        self._show = show
        self._held = ""

    def __call__(self, piece: str) -> None:
        """Pass on what can be told from this piece; what may be the beginning of the key waits for the next."""
        key, text = self._secret.value, self._secret.removed(self._held + piece)
        begun = next((size for size in range(min(len(key) - 1, len(text)), 0, -1) if text.endswith(key[:size])), 0)
        self._held = text[len(text) - begun :]
        if shown := text[: len(text) - begun]:
            self._show(shown)

    def end(self) -> None:
        """Nothing more comes."""
        if self._held:
            self._show(self._held)
        self._held = ""
