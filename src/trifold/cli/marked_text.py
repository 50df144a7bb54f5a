"""An explained text in the terminal: in colours, or with signs where there are none."""

import sys
from typing import Any

from trifold.explanations.explanation import Explanation
from trifold.explanations.marks import Piece, pieces
from trifold.terminal import printable

# From so many characters on, only what stands around the deciding words is shown.
_MOST_CHARACTERS = 3_000
# Share of the largest weight from which on a word that does not decide is marked.
_STRONG = 0.25


class MarkedText:
    """Prints explained texts to standard output: colours where that is a terminal and NO_COLOR is not set."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
        self._colours = console.is_terminal and console.color_system is not None and not console.no_color

    def print(self, explanation: Explanation) -> None:
        """Print the text with its words marked."""
        found = pieces(explanation, _MOST_CHARACTERS)
        if not self._colours:
            print("".join(_with_signs(piece) for piece in found))
            return
        from rich.text import Text

        text = Text()
        for piece in found:
            text.append(printable(piece.text), _style(piece))
        self._console.print(text)

    def legend(self, explanation: Explanation) -> str:
        """What the marks mean."""
        if self._colours:
            return f"underlined: decided by these; green: speaks for {explanation.label}; red: against it"
        return f"[word] decided by these; +word speaks for {explanation.label}; -word against it"


def _with_signs(piece: Piece) -> str:
    text = printable(piece.text)
    if piece.decides:
        return f"[{text}]"
    if abs(piece.weight) < _STRONG:
        return text
    return f"{'+' if piece.weight > 0 else '-'}{text}"


def _style(piece: Piece) -> Any:
    if piece.decides:
        return "bold underline green"
    if abs(piece.weight) < _STRONG:
        return ""
    return "green" if piece.weight > 0 else "red"
