"""Which labels are the same: of two files whatever types they give them, and of one file where they only look alike."""

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
    """One text for `1`, `"1"`, `1.0` and `"1.0"`, one for `True` and `"true"`; any other label is its own."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def spelling(label: Label) -> str:
    """Equal for labels that differ only in case, spaces, unseen characters, width or Unicode's normal form."""
    usual = "".join(_usual_form(character) for character in without_unseen(str(label)))
    return unicodedata.normalize("NFC", " ".join(usual.split()).casefold())


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


def _usual_form(character: str) -> str:
    """The character that a mere form of it stands for: of a wide letter, a ligature or a space that does not break."""
    form = unicodedata.decomposition(character)
    if not form.startswith("<") or form.startswith(_MEANINGFUL_FORMS):
        return character
    return unicodedata.normalize("NFKC", character)
