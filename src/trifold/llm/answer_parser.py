"""From a model's free text to the label that it names, or to none."""

import re
from collections.abc import Sequence

_DECORATION = " \t\r\n\"'`*_.,:;!?()[]{}<>#-"

# An answer with more mentions than this names no label; each mention is compared with all before it.
_MAX_MENTIONS = 1_000


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
    taken: list[tuple[int, int]] = []
    said = set()
    for number in sorted(range(len(folded)), key=lambda one: -len(folded[one])):
        for match in re.finditer(rf"(?<!\w){re.escape(folded[number])}(?!\w)", answer.casefold()):
            if not any(start <= match.start() and match.end() <= end for start, end in taken):
                taken.append(match.span())
                said.add(number)
                if len(taken) > _MAX_MENTIONS:
                    return None
    return said.pop() if len(said) == 1 else None
