"""From a model's free words to one of the labels, or to none: never to a label that was not said."""

import re
from collections.abc import Sequence

_DECORATION = " \t\r\n\"'`*_.,:;!?()[]{}<>#-"


# Who says labels so often says none, and each is compared with those before it.
_MOST_MENTIONS = 1_000


def find_word(answer: str, words: Sequence[str]) -> int | None:
    """Which of `words` an answer names.

    The answer may be the word alone, decorated, or hold it in a sentence; an answer that names several, or none, names
    none. A word inside a longer one that is said (`positive` in `very positive`) does not count.

    Args:
        answer: What a model said.
        words: What the labels are called.

    Returns:
        Its position, or `None`.
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
                if len(taken) > _MOST_MENTIONS:
                    return None
    return said.pop() if len(said) == 1 else None
