"""The text of an HTML page, without what is no content of it: scripts, styles, navigation, hidden parts."""

import re
from pathlib import Path

from trifold.documents.readers.decoding import decoded
from trifold.errors import DataError, SettingsError

_NEEDS_FILES = "reading HTML files needs the extra files: pip install 'trifold[files]'"
_NO_CONTENT = "script, style, noscript, template, nav, footer, iframe, svg, button, select, [hidden]"
_BLOCKS = (
    "address, article, aside, blockquote, br, caption, dd, div, dl, dt, fieldset, figcaption, figure, form, h1, h2, "
    "h3, h4, h5, h6, header, hr, li, main, ol, p, pre, section, table, td, th, tr, ul"
)
# Between blocks, while the text is put together: what HTML itself treats as space is no end of a line.
_LINE = "\u2028"
# The declaration must stand within the first 1,024 bytes. Source: the HTML standard, 4.2.5.4.
_DECLARED = re.compile(
    rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE
)
_DECLARED_WITHIN = 1_024
# Where a page's title stands if the page shows it.
_FIRST_LINES = 5
# Browsers stop at 512; the parser's time grows with the square of the depth.
_MAX_DEPTH = 2_000
# Tags that nest: those without content, and those whose end may be left out, do not.
_NESTING = re.compile(
    r"<(/?)(?!(?:area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|optgroup|option|p|param|rp|rt|source|tbody|td|"
    r"tfoot|th|thead|tr|track|wbr)\b)[a-z]",
    re.IGNORECASE,
)
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_html(content: bytes, encoding: str | None, path: Path) -> tuple[str, str]:
    """Title and text of a page; the title comes first, and each block (a paragraph, a heading, an item) is a line.

    Where the page names its main part by `<main>`, that alone is read.

    Args:
        content: The whole file.
        encoding: Given by the user; where `None`, what the page declares, or else what is detected.
        path: For messages.

    Raises:
        DataError: If the bytes are no text, or its elements nest deeper than any page's should.
        SettingsError: If selectolax is not installed.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError:
        raise SettingsError(_NEEDS_FILES) from None
    written = _text(content, encoding, path)
    _require_depth(written)
    page = LexborHTMLParser(written)
    heading = page.css_first("title") or page.css_first("h1")
    title = " ".join(heading.text().split()) if heading is not None else ""
    for node in page.css(_NO_CONTENT):
        node.decompose()
    for node in page.css(_BLOCKS):
        node.insert_before(_LINE)
        node.insert_after(_LINE)
    main = page.css_first("main")
    root = main if main is not None and main.text().strip() else page.body
    whole = root.text() if root is not None else ""
    lines = [found for line in whole.split(_LINE) if (found := " ".join(line.split()))]
    # A title says what a page is about, and a page need not repeat it.
    if lines and title not in lines[:_FIRST_LINES]:
        lines.insert(0, title)
    return title, "\n".join(filter(None, lines))


def _text(content: bytes, encoding: str | None, path: Path) -> str:
    declared = None if content.startswith(_MARKS) else _DECLARED.search(content[:_DECLARED_WITHIN])
    if encoding is None and declared:
        try:
            return decoded(content, declared[1].decode("ascii"), path)
        except DataError:
            # A page that names an encoding that does not exist is read like one that names none.
            pass
    return decoded(content, encoding, path)


def _require_depth(page: str) -> None:
    depth = 0
    for tag in _NESTING.finditer(page):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _MAX_DEPTH:
            raise DataError(f"its elements nest more than {_MAX_DEPTH:,} deep")
