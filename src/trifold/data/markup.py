"""Markup in texts that are no pages: tags, entities and addresses, which are no words of whoever wrote the text."""

import html
import re

# A tag of HTML or a comment; a lone < is no tag.
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# Entities whose & was lost, as in the news of AG News.
_BROKEN = re.compile(r"(?<![&\w])(?=(?:#\d{1,5}|lt|gt|quot|amp|nbsp|apos);)")


def without_markup(text: str) -> str:
    """The text with its entities as characters, and without tags, comments and addresses.

    Entities are read twice: `&amp;lt;br&amp;gt;` is what some exports make of a tag.
    """
    if ";" in text:
        text = html.unescape(html.unescape(_BROKEN.sub("&", text)))
    if "<" in text:
        text = TAG.sub(" ", text)
    return _ADDRESS.sub(" ", text)
