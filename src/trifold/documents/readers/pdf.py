"""The text of a PDF, page by page."""

import re
from pathlib import Path
from typing import Any

from trifold.errors import DataError, SettingsError

_NEEDS_FILES = "reading PDF files needs the extra files: pip install 'trifold[files]'"
# How PDFium gives a hyphen that only the end of a line put there, with that end.
_BROKEN_WORD = re.compile("[\ufffe\x02\u00ad]\\s*\n?")


def read_pdf(path: Path) -> tuple[str, list[str]]:
    """Title and the texts of all pages; that of a page without text, or one that is damaged, is empty.

    Args:
        path: The file.

    Raises:
        DataError: If it is damaged as a whole, encrypted, or no PDF.
        SettingsError: If pypdfium2 is not installed.
    """
    try:
        import pypdfium2
    except ImportError:
        raise SettingsError(_NEEDS_FILES) from None
    try:
        with pypdfium2.PdfDocument(path) as document:
            pages = [_page_text(document, number, pypdfium2.PdfiumError) for number in range(len(document))]
            return document.get_metadata_value("Title"), pages
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        reason = "it is encrypted: save it without a password" if encrypted else "it is damaged, or no PDF"
        raise DataError(reason) from None


def _page_text(document: Any, number: int, damaged: type[Exception]) -> str:
    try:
        page = document[number]
        text = str(page.get_textpage().get_text_bounded())
        # The text goes with its page.
        page.close()
    except damaged:
        return ""
    return _BROKEN_WORD.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))
