"""The words of a text: what an explanation names, and what is left out of a text to see what it decides."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trifold.data.markup import ENTITY, TAG
from trifold.word_characters import MARKS, UNSPACED, UNSPACED_CHARACTER

_EMOJI = "[\u2190-\u2bff\U0001f000-\U0001faff]"
_EMOJI_PARTS = "[\ufe0f\U0001f3fb-\U0001f3ff]"
# What joins letters or parts them without a space, as in Persian, belongs to the word.
_SPACED = rf"(?:(?![{UNSPACED}])[\w{MARKS}\u200c\u200d])+"
# A tag or an entity is left out as a whole, and is no word `br` or `amp`.
_WORD = re.compile(
    rf"{TAG.pattern}|{ENTITY.pattern}"
    rf"|{_SPACED}(?:['\u2019]{_SPACED})*"
    rf"|{UNSPACED_CHARACTER}"
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
