"""The probabilities of labels, from the probabilities of the tokens at each place of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.llm.answer_parser import undecorated
from trifold.llm.thoughts import THOUGHTS_END

# Below this share of the probability, an answer that begins with no label says nothing of labels.
_LEAST_COVERED = 0.01
# Above this sum they are no probabilities.
_MOST_COVERED = 1.05


@dataclass(frozen=True)
class TokenPlace:
    """One place of an answer.

    Attributes:
        written: The token that was written there.
        tokens: The most probable tokens of that place as text, the written one among them, each with its probability.
    """

    written: str
    tokens: tuple[tuple[str, float], ...]


def label_probabilities(
    places: Sequence[TokenPlace], words: Sequence[str], *, anywhere: bool = True
) -> np.ndarray | None:
    """The probability of each label, `(words,)`; what is left to 1 went to tokens that begin no label.

    They are read where the answer begins to name a label, or else at its first place. A token counts for the label that
    it begins, in capitals or not and whatever spaces and quotes are before it. Where labels begin alike, what tells
    them apart is read from the next places, along the answer; a token with which two labels could begin, and that was
    not written, counts for none.

    Args:
        places: The answer, place by place; thoughts before it are left out.
        words: The words for the labels.
        anywhere: Whether the label may stand behind other words; where an answer names several, its beginning tells.

    Returns:
        `None` if no label could be read, or what the server tells adds up to clearly more than 1.
    """
    folded = [word.casefold().strip() for word in words]
    places = _without_thoughts(places)
    first = next((at for at, place in enumerate(places) if undecorated(place.written)), 0)
    tried = places if anywhere else places[: first + 1]
    begin = next((at for at in range(len(tried)) if _begins(places[at:], folded)), None)
    found = _walk(places[begin or 0 :], folded)
    total = float(found.sum())
    if total > _MOST_COVERED:
        return None
    # Servers round: where a token's own is 1, those of the others come on top.
    found = found / max(1.0, total)
    return found if found.sum() > (0.0 if begin is not None else _LEAST_COVERED) else None


def _without_thoughts(places: Sequence[TokenPlace]) -> Sequence[TokenPlace]:
    written = ""
    for number, place in enumerate(places):
        written += place.written
        if THOUGHTS_END in written:
            return places[number + 1 :]
    return places


def _begins(places: Sequence[TokenPlace], words: Sequence[str]) -> bool:
    """Whether the rest of an answer begins with a label, or breaks off within one.

    A first token alone does not tell: with the `I` of `I think urgent` the label `important` could begin.
    """
    if not undecorated(places[0].written):
        return False
    return bool(_fitting(undecorated("".join(place.written for place in places)), words))


def _walk(places: Sequence[TokenPlace], words: Sequence[str]) -> np.ndarray:
    """The labels' probabilities along an answer that begins with one."""
    found = np.zeros(len(words))
    before, written, fitting = 1.0, "", list(range(len(words)))
    for place in places:
        for token, probability in place.tokens:
            text = undecorated(written + token)
            fits = _fitting(text, words) if text else []
            if len(fits) == 1:
                found[fits[0]] += before * probability
        before *= dict(place.tokens).get(place.written, 0.0)
        written += place.written
        text = undecorated(written)
        fitting = _fitting(text, words) if text else fitting
        if text and len(fitting) < 2:
            return found
    # The answer ended with a label that begins another one.
    ended = [number for number in fitting if undecorated(written).startswith(words[number])]
    if ended:
        found[max(ended, key=lambda number: len(words[number]))] += before
    return found


def _fitting(text: str, words: Sequence[str]) -> list[int]:
    """The labels that a text begins, or that are complete in it."""
    return [
        number
        for number, word in enumerate(words)
        if word.startswith(text) or (text.startswith(word) and not _goes_on(text[len(word)]))
    ]


def _goes_on(character: str) -> bool:
    return character.isalnum() or character == "_"
