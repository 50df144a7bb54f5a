"""Markup in texts that are no pages: tags, entities and addresses, which are no words of whoever wrote the text."""

import html
import re

# A tag of HTML or a comment; a lone < is no tag.
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|(?s:<!--.*?-->)")
ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
# Tags after which a new line begins.
_LINE_BREAK = re.compile(r"</?(?:br|p|div|li|tr|h[1-6])\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# Entities whose & was lost, as in the news of AG News.
_BROKEN = re.compile(r"(?<![&\w])(?=(?:#\d{1,5}|lt|gt|quot|amp|nbsp|apos);)")


def as_shown(markup: str) -> str:
    """What a reader sees of one tag, comment or entity; any other text as it is."""
    if TAG.fullmatch(markup):
        return "\n" if _LINE_BREAK.match(markup) else ""
    return html.unescape(markup) if ENTITY.fullmatch(markup) else markup


def without_markup(text: str) -> str:
    """The text with its entities as characters, and without tags, comments and addresses.

    Entities are read twice: `&amp;lt;br&amp;gt;` is what some exports make of a tag.
    """
    if ";" in text:
        text = html.unescape(html.unescape(_BROKEN.sub("&", text)))
    if "<" in text:
        text = TAG.sub(" ", text)
    return _ADDRESS.sub(" ", text)
