"""The visible part of a text: whether a text is blank, and the text without its invisible characters."""

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Point: joiners, marks of order and direction, soft hyphens, variation selectors,
# fillers. Source: DerivedCoreProperties.txt of Unicode 16, https://www.unicode.org/reports/tr44/
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Also controls, the anchors of annotations and the Braille cell without a dot.
_INVISIBLE = f"\\s\x00-\x1f\x7f-\x9f\ufff9-\ufffb\u2800{_IGNORABLE}"
_VISIBLE = re.compile(f"[^{_INVISIBLE}]")
_UNSEEN = re.compile(f"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufff9-\ufffb{_IGNORABLE}]")


def is_blank(text: str) -> bool:
    """Whether a text is empty or has only spaces, control characters and invisible characters."""
    return _VISIBLE.search(text) is None


def without_unseen(text: str) -> str:
    """The text without invisible characters, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text))
