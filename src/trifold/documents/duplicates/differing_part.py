"""Where two texts that are nearly the same differ."""

from collections.abc import Sequence

_WORDS_AROUND = 4


def differing_part(one: str, other: str, most: int = 100) -> tuple[str, str]:
    """The parts in which two texts differ, with a few words around them; `…` stands for what is left out.

    Args:
        one: A text.
        other: Another one. Where both have the same words, their beginnings are given.
        most: Characters of each part.
    """
    first, second = one.split(), other.split()
    start = _shared(first, second)
    end = _shared(first[start:][::-1], second[start:][::-1])
    begin = max(0, start - _WORDS_AROUND)
    return _cut(first, begin, len(first) - end, most), _cut(second, begin, len(second) - end, most)


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts begin with that are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _cut(words: Sequence[str], begin: int, end: int, most: int) -> str:
    """The words from `begin` to a few behind `end`, no longer than so many characters."""
    if begin >= len(words) - _WORDS_AROUND:
        begin = max(0, len(words) - 2 * _WORDS_AROUND)
    stop = min(len(words), max(end, begin) + _WORDS_AROUND)
    text = ("… " if begin else "") + " ".join(words[begin:stop])
    if len(text) > most:
        return text[: most - 1].rstrip() + "…"
    return text + (" …" if stop < len(words) else "")
