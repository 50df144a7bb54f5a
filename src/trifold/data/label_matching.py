"""Match labels of two files, or of a file and a flag, whose types or spellings differ: 1 and "1", True and "true"."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from trifold.data.visible_text import without_unseen
from trifold.types import Label

# As pandas writes a whole number once its column has a gap.
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
# Forms of a character that say something else than the character does, such as the 2 of x².
_MEANINGFUL_FORMS = ("<super>", "<sub>", "<circle>", "<fraction>", "<square>", "<font>")


def plain_text(value: object) -> str:
    """A label as text: the same for `1`, `"1"`, `1.0` and `"1.0"`, and the same for `True` and `"true"`."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def spelling(label: Label) -> str:
    """A key that is equal for labels that differ only in case, spaces, invisible characters, width or Unicode form."""
    usual = "".join(_usual_form(character) for character in without_unseen(str(label)))
    return unicodedata.normalize("NFC", " ".join(usual.split()).casefold())


def known_labels(given: Iterable[Label], known: Iterable[Label], *, merge: bool = False) -> dict[Label, Label]:
    """Map each given label that is the same as exactly one known label to that one.

    Labels are the same if their `plain_text` is equal.

    Args:
        given: Labels, such as those of a file.
        known: Labels, such as those of a model.
        merge: Whether labels with an equal `spelling` are the same, too.
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
    """From `way(label)` to the label, without those keys that several labels share."""
    found: dict[str, list[Label]] = {}
    for label in known:
        found.setdefault(way(label), []).append(label)
    return {text: labels[0] for text, labels in found.items() if len(labels) == 1}


def _usual_form(character: str) -> str:
    """The character that a mere form of it stands for: of a wide letter, a ligature or a space that does not break."""
    form = unicodedata.decomposition(character)
    if not form.startswith("<") or form.startswith(_MEANINGFUL_FORMS):
        return character
    return unicodedata.normalize("NFKC", character)
