"""A folder of documents as the rows of a table, for commands that take a row at a time."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from trifold.data.columns import Columns
from trifold.data.table import Table
from trifold.documents.readers.folder import FolderDocument, UnreadFile, is_markdown, read_folder
from trifold.documents.readers.markdown import prose_of
from trifold.types import BadRow, Record

PATH, TITLE, TEXT = "path", "title", "text"


def folder_table(folder: Path, encoding: str | None = None) -> tuple[Table, Columns]:
    """The documents of a folder: columns `path` and `title`, and in each record its prose as `text`.

    Of a PDF, all pages are one document. A file that cannot be read is a bad row.

    Args:
        folder: Is there.
        encoding: As in `read_folder`, which also says what is raised when the rows are read.
    """
    return Table(folder, (PATH, TITLE), "a folder of documents", lambda _: _rows(folder, encoding)), Columns(
        (TEXT,), None, guessed=False
    )


def _rows(folder: Path, encoding: str | None) -> Iterator[Record | BadRow]:
    for number, (path, found) in enumerate(groupby(read_folder(folder, encoding), lambda one: one.path), start=1):
        parts = list(found)
        unread = next((part for part in parts if isinstance(part, UnreadFile)), None)
        if unread:
            yield BadRow(number, unread.reason, {PATH: path})
            continue
        pages = [part for part in parts if isinstance(part, FolderDocument)]
        text = "\n\n".join(page.text for page in pages)
        yield Record(number, {PATH: path, TITLE: pages[0].title, TEXT: prose_of(text) if is_markdown(path) else text})
