"""What a label says, whichever type a file gives it: by this, labels of two files, or of a file and a flag, match."""

import re
from collections.abc import Callable, Iterable, Mapping

from trifold.data.visible_text import look_key
from trifold.types import Label

# As pandas writes a whole number once its column has a gap.
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def plain_text(value: object) -> str:
    """One text for `1`, `"1"`, `1.0` and `"1.0"`, one for `True` and `"true"`; any other label is its own."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def spelling(label: Label) -> str:
    """Equal for labels that only look alike, by which misspellings are found."""
    return look_key(str(label))


def known_labels(given: Iterable[Label], known: Iterable[Label], *, merge: bool = False) -> dict[Label, Label]:
    """Each given label that says the same as exactly one known label, mapped to that one.

    Args:
        given: Labels, of a file say.
        known: Labels, of a model say.
        merge: Whether labels that differ only in case or outer spaces say the same.
    """
    ways = (plain_text, spelling) if merge else (plain_text,)
    names = set(known)
    tables = [(way, _only(names, way)) for way in ways]
    found: dict[Label, Label] = {}
    for label in set(given) - names:
        for way, table in tables:
            if way(label) in table:
                found.setdefault(label, table[way(label)])
    return found


def _only(known: Iterable[Label], way: Callable[[Label], str]) -> Mapping[str, Label]:
    """Text to the known label that says it, where there is but one."""
    found: dict[str, list[Label]] = {}
    for label in known:
        found.setdefault(way(label), []).append(label)
    return {text: labels[0] for text, labels in found.items() if len(labels) == 1}
