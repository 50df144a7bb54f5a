"""Labels that may be one class under two names: an abbreviation beside the whole word, or a slip of the keyboard.

Whether they are one, only who knows the data can say, so nothing is merged here.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from trifold.data.label_matching import spelling
from trifold.types import Label

_WORD = re.compile(r"[^\W_]+")
_ROMAN = re.compile(r"[ivxlcdm]+")
# The rarer of two has at most this share of the other's rows: classes that differ are seldom so like each other and so
# unequal at once.
_RARE_SHARE = 0.2
# Of a word that is abbreviated, and of one with a slip: shorter words are like each other by chance (`no` and `not`,
# `joy` and `toy`).
_SHORTEST_ABBREVIATION, _SHORTEST_SLIP = 3, 5


def similar_labels(counts: Mapping[Label, int]) -> dict[Label, Label]:
    """Rare labels that may be the same as a far commoner one, mapped to that.

    They differ in one word, of which one is the beginning of the other (`neg`, `negative`) or that is one slip away
    (`postive`, `positive`). Labels with digits are numbered on purpose, and left out.

    Args:
        counts: Label to number of rows.
    """
    words = {label: _words(label) for label in counts}
    # Only labels that are equal but for one word, and for its first letter not even there, are compared.
    alike: dict[tuple[object, ...], list[Label]] = defaultdict(list)
    for label in sorted(counts, key=lambda label: -counts[label]):
        for key in _keys(words[label]):
            alike[key].append(label)
    found: dict[Label, Label] = {}
    for key, labels in alike.items():
        place = key[0]
        assert isinstance(place, int)
        for number, rare in enumerate(labels):
            for common in labels[:number]:
                if counts[rare] > _RARE_SHARE * counts[common]:
                    break  # those that follow are rarer still
                if _same_word(words[rare][place], words[common][place]):
                    best = found.get(rare, common)
                    found[rare] = common if counts[common] > counts[best] else best
                    break
    return found


def _words(label: Label) -> tuple[str, ...]:
    """The words of a label in their usual form; none where it is a number, or has one."""
    if not isinstance(label, str) or any(character.isdigit() for character in label):
        return ()
    return tuple(_WORD.findall(spelling(label)))


def _keys(words: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """A key for each word: its place, its first letter and the other words."""
    for place, word in enumerate(words):
        yield (place, word[0], *words[:place], "", *words[place + 1 :])


def _same_word(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if short == long or (_ROMAN.fullmatch(short) and _ROMAN.fullmatch(long)):
        return False
    if len(short) >= _SHORTEST_ABBREVIATION and long.startswith(short):
        return True
    return len(short) >= _SHORTEST_SLIP and _one_slip(short, long)


def _one_slip(short: str, long: str) -> bool:
    """Whether a letter was left out, another one was typed, or two stand in the wrong order."""
    at = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) > len(short):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped
