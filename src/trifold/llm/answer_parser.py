"""From a model's free text to the label that it names, or to none."""

import re
from collections.abc import Iterable, Sequence

_DECORATION = " \t\r\n\"'`*_.,:;!?()[]{}<>#-"

# Answers that name no label on purpose, where there may be any number of them; `[]` is one of punctuation alone.
NO_LABEL = "none"
_NONE = ("", NO_LABEL, "none of these", "none of them", "none apply", "null", "no label", "no labels")

# An answer with more mentions than this names no label; each mention is compared with all before it.
_MAX_MENTIONS = 1_000


def words_alike(words: Iterable[str]) -> tuple[str, str] | None:
    """The first two words that an answer cannot tell apart: capitals and outer spaces are not looked at."""
    seen: dict[str, str] = {}
    for word in words:
        bare = word.casefold().strip()
        if bare in seen:
            return seen[bare], word
        seen[bare] = word
    return None


def undecorated(text: str) -> str:
    """A text in small letters, without the spaces, quotes and marks before it."""
    return text.casefold().lstrip(_DECORATION)


def find_word(answer: str, words: Sequence[str]) -> int | None:
    """Which of `words` an answer names.

    The answer may be the word alone, with punctuation around it, or a sentence that holds it. A word that is part of a
    longer one among `words` (`positive` in `very positive`) does not count where the longer one occurs.

    Args:
        answer: The model's answer.
        words: The words for the labels.

    Returns:
        The position of the word; `None` if the answer names several words or none.
    """
    bare = answer.casefold().strip(_DECORATION)
    folded = [word.casefold().strip() for word in words]
    exact = [number for number, word in enumerate(folded) if bare == word or bare == word.strip(_DECORATION)]
    if len(exact) == 1:
        return exact[0]
    said = _mentioned(answer.casefold(), folded)
    return said.pop() if said is not None and len(said) == 1 else None


def find_words(answer: str, words: Sequence[str]) -> list[int] | None:
    """Which of `words` an answer names, where it may name several: a list with commas or lines, in JSON, a sentence.

    Args:
        answer: The model's answer.
        words: The words for the labels.

    Returns:
        Positions of the words in their order, none for an answer such as `none` or `[]`; `None` if it says neither.
    """
    said = _mentioned(answer.casefold(), [word.casefold().strip() for word in words])
    if said:
        return sorted(said)
    empty = answer.strip() and answer.casefold().strip(_DECORATION) in _NONE
    return [] if empty and said is not None else None


def _mentioned(answer: str, folded: Sequence[str]) -> set[int] | None:
    """Positions of the words that stand in an answer; `None` if there are too many mentions to tell."""
    taken: list[tuple[int, int]] = []
    said = set()
    for number in sorted(range(len(folded)), key=lambda one: -len(folded[one])):
        for match in re.finditer(rf"(?<!\w){re.escape(folded[number])}(?!\w)", answer):
            if not any(start <= match.start() and match.end() <= end for start, end in taken):
                taken.append(match.span())
                said.add(number)
                if len(taken) > _MAX_MENTIONS:
                    return None
    return said
