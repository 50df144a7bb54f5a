"""What a model that reasons writes before its answer, between `<think>` and `</think>`: it is no part of the answer."""

from collections.abc import Callable

_BEGIN, THOUGHTS_END = "<think>", "</think>"


def without_thoughts(text: str) -> str | None:
    """The answer after the thoughts with which a text begins; `None` if these do not end.

    Some servers leave the beginning mark out, since the chat template has written it.
    """
    begun = text.lstrip().startswith(_BEGIN)
    before, end, answer = text.partition(THOUGHTS_END)
    if end and (begun or _BEGIN not in before):
        return answer.lstrip()
    return None if begun else text


class AnswerPieces:
    """Passes on the pieces of an answer without the thoughts with which it begins.

    Args:
        show: Called with each piece of the answer itself.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._held = ""
        self._thinking = self._answering = False

    def __call__(self, piece: str) -> None:
        """Pass on a piece, unless it belongs to thoughts, or may."""
        if self._answering:
            self._show(piece)
            return
        self._held += piece
        begun = self._held.lstrip()
        self._thinking = self._thinking or begun.startswith(_BEGIN)
        if self._thinking:
            _, end, answer = self._held.partition(THOUGHTS_END)
            # The end mark may come in two pieces; what is before it is not needed any more.
            self._held = answer if end else self._held[-len(THOUGHTS_END) :]
            self._answering = bool(end)
        else:
            self._answering = not _BEGIN.startswith(begun)
        if self._answering:
            self.end()

    def end(self) -> None:
        """No more pieces will come: what looked like the beginning of thoughts and was none is passed on."""
        text = self._held.lstrip() if self._thinking else self._held
        if text and (self._answering or not self._thinking):
            self._show(text)
        self._held = ""
