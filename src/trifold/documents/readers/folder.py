"""The documents in a folder, in the order of their paths; what cannot be read is told and stops nothing."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trifold.data.limits import MAX_FIELD_CHARACTERS
from trifold.data.source import require_file, require_name
from trifold.data.visible_text import is_blank
from trifold.documents.document import Document, Documents
from trifold.documents.readers.decoding import decoded
from trifold.documents.readers.html import read_html
from trifold.documents.readers.markdown import prose_of
from trifold.documents.readers.pdf import read_pdf
from trifold.errors import DataError
from trifold.folder_kinds import MODEL, UNFINISHED, kind_of, wrong_kind
from trifold.terminal import printable
from trifold.types import BadRow

# More bytes than the longest text that is taken can have.
_MAX_BYTES = 4 * MAX_FIELD_CHARACTERS
# A PDF may be large for its pictures; it is read page by page.
_MAX_PDF_BYTES = 1 << 30
_PLAIN, _MARKDOWN, _HTML, _PDF = (".txt", ".text"), (".md", ".markdown"), (".html", ".htm", ".xhtml"), (".pdf",)
SUFFIXES = (*_PLAIN, *_MARKDOWN, *_HTML, *_PDF)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


@dataclass(frozen=True)
class FolderDocument:
    """A file's text, or that of one page of a PDF.

    Attributes:
        path: The file, relative to the folder, with `/` between names.
        title: As the file gives it, or else its name.
        text: Not blank.
        page: Of a PDF, from 1.
    """

    path: str
    title: str
    text: str
    page: int | None = None

    @property
    def id(self) -> str:
        """The path, with the page behind it as links to PDFs have it: `reports/2024.pdf#page=3`."""
        return self.path if self.page is None else f"{self.path}#page={self.page}"


@dataclass(frozen=True)
class UnreadFile:
    """A file of a known kind that could not be read.

    Attributes:
        path: As in `FolderDocument`.
        reason: Why, in words.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class _Content:
    """What a reader found: a title, which may be empty, and texts with their page."""

    title: str
    texts: tuple[tuple[int | None, str], ...]


def folder_documents(folder: Path, encoding: str | None = None, *, strict: bool = False) -> Documents:
    """The documents of a folder, each with its path, title and page as metadata.

    Args:
        folder: As in `read_folder`.
        encoding: As in `read_folder`.
        strict: Whether a file that cannot be read ends the reading with a `DataError`.
    """
    import pyarrow as pa

    def read() -> Iterator[Document | BadRow]:
        for one in read_folder(folder, encoding):
            if isinstance(one, UnreadFile):
                if strict:
                    raise DataError(f"{one.path}: {one.reason}; correct it, or leave out --on-bad-rows fail")
                yield BadRow(0, f"{one.path}: {one.reason}", {})
            else:
                metadata = {"path": one.path, "title": one.title, "page": one.page}
                yield Document(one.id, one.text, str(folder / one.path), 0, metadata)

    return Documents(str(folder), read, {"path": pa.string(), "title": pa.string(), "page": pa.int64()})


def read_folder(folder: Path, encoding: str | None = None) -> Iterator[FolderDocument | UnreadFile]:
    """Read every `.txt`, `.md`, `.html` and `.pdf` file of a folder and the folders in it.

    Names that begin with a dot are left out, and files of other kinds. A link is followed once, so that links in a
    circle end.

    Args:
        folder: Is there.
        encoding: Of all text files; detected for each by default, or read from an HTML file's own declaration.

    Raises:
        DataError: If the folder cannot be listed, or has no file of these kinds.
        SettingsError: If it has HTML or PDF files, and the extra `files` is not installed.
    """
    # A folder of documents may well hold a configuration or a folder `state`.
    if kind_of(folder) not in (None, MODEL, UNFINISHED):
        raise DataError(wrong_kind(folder, "a folder of documents"))
    found = False
    for name, path in _files(folder):
        found = True
        try:
            content = _read(path, encoding)
            title = " ".join(content.title.split()) or path.stem
            documents = [FolderDocument(name, title, text, page) for page, text in content.texts if not is_blank(text)]
            if not documents:
                pages = " (scanned pages need OCR first)" if path.suffix.lower() in _PDF else ""
                yield UnreadFile(_shown(name), f"it holds no text{pages}")
            yield from documents
        except DataError as error:
            yield UnreadFile(_shown(name), str(error))
        except OSError as error:
            yield UnreadFile(_shown(name), error.strerror or str(error))
    if not found:
        raise DataError(f"{folder} holds no document: it needs files that end in {', '.join(SUFFIXES)}")


def is_markdown(name: str) -> bool:
    """Whether a file of this name is Markdown."""
    return name.lower().endswith(_MARKDOWN)


def read_document(path: Path, encoding: str | None = None) -> str:
    """The prose of one file: of a PDF all pages, of Markdown what is neither code nor a table.

    Args:
        path: Plain text whatever its name ends in, unless that says otherwise.
        encoding: As in `read_folder`.

    Raises:
        DataError: If it cannot be read.
        SettingsError: As `read_folder`.
    """
    require_file(path)
    try:
        text = "\n\n".join(text for _, text in _read(path, encoding).texts)
        return prose_of(text) if is_markdown(path.name) else text
    except DataError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): check its permissions") from None


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of the known kinds, sorted, with their paths relative to the folder; also folders that cannot be listed."""
    seen: set[tuple[int, int]] = set()

    def walk(inside: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
        try:
            state, entries = inside.stat(), sorted(os.listdir(inside))
        except OSError:
            yield "/".join(names), inside
            return
        if (state.st_dev, state.st_ino) in seen:
            return
        seen.add((state.st_dev, state.st_ino))
        for entry in entries:
            path = inside / entry
            if entry.startswith("."):
                continue
            if path.is_dir():
                yield from walk(path, (*names, entry))
            elif path.suffix.lower() in SUFFIXES:
                yield "/".join((*names, entry)), path

    return walk(folder, ())


def _read(path: Path, encoding: str | None) -> _Content:
    """What a file holds.

    Raises:
        DataError: If it is too large, binary, no plain file, damaged, or its name cannot be shown.
        OSError: If it cannot be opened.
    """
    require_name(path)
    state, kind = path.stat(), path.suffix.lower()
    if stat.S_ISDIR(state.st_mode):
        raise DataError("the folder cannot be listed: check its permissions")
    if not stat.S_ISREG(state.st_mode):
        raise DataError("it is a pipe or device")
    most = _MAX_PDF_BYTES if kind in _PDF else _MAX_BYTES
    if state.st_size > most:
        raise DataError(f"it is larger than {most >> 20:,} MB")
    if kind in _PDF:
        title, pages = read_pdf(path)
        return _Content(title, tuple(enumerate(pages, start=1)))
    content = path.read_bytes()
    if kind in _HTML:
        title, text = read_html(content, encoding, path)
    else:
        text = decoded(content, encoding, path)
        heading = _HEADING.search(text) if kind in _MARKDOWN else None
        title = heading[1] if heading else ""
    if len(text) > MAX_FIELD_CHARACTERS:
        raise DataError(f"it has more than {MAX_FIELD_CHARACTERS:,} characters: split it")
    return _Content(title, ((None, text),))


def _shown(name: str) -> str:
    """A path as a message may hold it: without bytes that are no text, and control characters."""
    return " ".join(printable(name).split())
