"""The words of a text: what an explanation names, and what is left out of a text to see what it decides."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Scripts that are written without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese. There each
# character counts as a word, with the marks upon it.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Parts of words that Python's \w leaves out: accents, points and vowel signs, and what joins letters.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff\u0f00-\u0fff"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe20-\ufe2f"
)
_EMOJI = "[\u2190-\u2bff\U0001f000-\U0001faff]"
_EMOJI_PARTS = "[\ufe0f\U0001f3fb-\U0001f3ff]"
_SPACED = rf"(?:(?![{_UNSPACED}])[\w{_MARKS}])+"
_WORD = re.compile(
    rf"{_SPACED}(?:['\u2019]{_SPACED})*"
    rf"|(?=\w)[{_UNSPACED}](?:(?!\w)[{_UNSPACED}])*"
    rf"|{_EMOJI}{_EMOJI_PARTS}*(?:\u200d{_EMOJI}{_EMOJI_PARTS}*)*"
)
_NO_SPACE = re.compile(r"\S+")


class Span(NamedTuple):
    """A part of a text.

    Attributes:
        start: Position of its first character.
        end: Position after its last character.
    """

    start: int
    end: int


def find_words(text: str, parts: Sequence[tuple[int, int]]) -> list[Span]:
    """The words in some parts of a text, in their order; runs without a space where there is no word.

    Args:
        text: Of any length.
        parts: Start and end of each, such as what a model reads.
    """
    for pattern in (_WORD, _NO_SPACE):
        found = [Span(*word.span()) for start, end in parts for word in pattern.finditer(text, start, end)]
        if found:
            return found
    return []


def without(text: str, parts: Sequence[tuple[int, int]], left_out: Iterable[Span]) -> str:
    """Some parts of a text, with a space between two of them, without some words and the spaces before these.

    Args:
        text: The text.
        parts: Start and end of each part.
        left_out: Words that lie in them.
    """
    words = sorted(left_out)
    kept = []
    for start, end in parts:
        pieces, at = [], start
        for word in words:
            if start <= word.start < end:
                pieces.append(text[at : word.start].rstrip(" "))
                at = word.end
        kept.append("".join([*pieces, text[at:end]]))
    return " ".join(kept)
