"""A text cut into pieces that are shown each in its own way."""

from dataclasses import dataclass

from trifold.data.markup import as_shown
from trifold.explanations.explanation import Explanation, Word

# Weights below this share of the largest are not shown: they tell nothing.
_FAINT = 0.08
_GAP = " … "


@dataclass(frozen=True)
class Piece:
    """A word or what stands between two words.

    Attributes:
        text: The characters.
        weight: Of the word, as a share of the largest, from -1 to 1; 0 for what is no word or has hardly any weight.
            A tag or an entity that decides nothing stands as what it means, such as an end of a line, without a weight.
        decides: Whether it is one of the deciding words.
    """

    text: str
    weight: float = 0.0
    decides: bool = False


def pieces(explanation: Explanation, most: int) -> list[Piece]:
    """The pieces of an explained text in their order.

    Args:
        explanation: The text with its words.
        most: Characters about from which on only what stands around the deciding words is shown, with `…` between.
    """
    largest = max((abs(word.weight) for word in explanation.words), default=0.0) or 1.0
    deciding = {word.start for word in explanation.deciding}
    found: list[Piece] = []
    for start, end in _shown(explanation, most):
        if start:
            found.append(Piece(_GAP))
        at = start
        for word in explanation.words:
            if start <= word.start and word.end <= end:
                found.append(Piece(explanation.text[at : word.start]))
                share, decides = word.weight / largest, word.start in deciding
                shown = word.text if decides else as_shown(word.text)
                weight = share if abs(share) >= _FAINT and shown == word.text else 0.0
                found.append(Piece(shown, weight, decides))
                at = word.end
        found.append(Piece(explanation.text[at:end]))
    if end < len(explanation.text):
        found.append(Piece(_GAP))
    return [piece for piece in found if piece.text]


def _shown(explanation: Explanation, most: int) -> list[tuple[int, int]]:
    """Start and end of the parts of the text that are shown."""
    text = explanation.text
    if len(text) <= most:
        return [(0, len(text))]
    around = most // (2 * max(1, len(explanation.deciding)))
    centres: list[Word] = sorted(explanation.deciding, key=lambda word: word.start)
    wanted = [(word.start - around, word.end + around) for word in centres] or [(0, most)]
    parts: list[tuple[int, int]] = []
    for start, end in wanted:
        # Whole words, as far as there are spaces to tell.
        begin = 0 if start <= 0 else max(text.find(" ", start, start + 40), start)
        stop = len(text) if end >= len(text) else max(text.rfind(" ", end - 40, end), end - 40)
        if parts and begin <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(stop, parts[-1][1]))
        else:
            parts.append((begin, stop))
    return parts
