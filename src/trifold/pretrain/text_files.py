"""Unlabelled text as a stream of pieces: .txt files, columns of tables, folders of both, data sets of the hub.

Nothing here holds more than one piece of a .txt file, or one row of a table, at a time.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from pathlib import Path

from trifold.data.encoding import find_encoding
from trifold.data.examples import open_rows
from trifold.data.hub import local_file
from trifold.data.settings import TextSettings
from trifold.data.source import open_source, plain_suffix, require_file, require_name
from trifold.data.visible_text import is_blank
from trifold.errors import DataError
from trifold.hashing import file_sha256, short_digest
from trifold.pretrain.settings import CorpusSettings
from trifold.types import BadRow

_PIECE_CHARACTERS, _SMALLEST_PIECE = 1_024, 64
# With fewer documents, the end of the text is held out instead of whole documents.
FEWEST_DOCUMENTS = 20
_PIECES_OF_FEW = 40
_SAMPLE_BYTES = 1 << 18
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_PLAIN = (".txt", ".text", ".md", "")


@dataclass(frozen=True)
class Piece:
    """Some lines of a document, or a part of a long one.

    Attributes:
        text: The text, line ends included.
        ends: Whether the document ends with this piece.
    """

    text: str
    ends: bool


class Documents:
    """The text of files, folders or data sets, which can be read any number of times.

    Args:
        sources: Files, folders or data sets, as the user named them.
        settings: How they are read.

    Attributes:
        files: The files that are read, in order.
        left_out: Rows that could not be used in the last reading.
        excluded: Documents of the last reading that are also in a file to exclude.

    Raises:
        DataError: If something is missing, or a folder holds no text.
    """

    def __init__(self, sources: Sequence[Path], settings: CorpusSettings) -> None:
        self.files = [file for source in sources for file in _files(source)]
        self._settings = settings
        self._unwanted = frozenset[bytes]().union(*(_digests(path, settings.encoding) for path in settings.exclude))
        self.left_out = self.excluded = 0

    def address(self) -> dict[str, object]:
        """Everything that determines the text, apart from the files' names."""
        chosen = self._settings
        header = [] if chosen.header is None else [chosen.header]
        return {
            "files": [[plain_suffix(file), file_sha256(file)] for file in self.files],
            "excluded": sorted(file_sha256(local_file(path)) for path in chosen.exclude),
            "reading": [chosen.text_column, chosen.encoding, chosen.documents, _PIECE_CHARACTERS, *header],
        }

    def pieces(self) -> Iterator[Piece]:
        """Every piece in order.

        Raises:
            DataError: If a file is empty, binary, or has no column of texts; or at a bad row with `--on-bad-rows fail`.
        """
        self.left_out = self.excluded = 0
        for file in self.files:
            documents = self._table_documents(file) if _is_table(file) else self._text_documents(file)
            for document in documents:
                yield from document

    def _table_documents(self, file: Path) -> Iterator[Iterable[Piece]]:
        _, columns, rows = open_rows(file, self._settings)

        def texts() -> Iterator[str]:
            for row in rows:
                if isinstance(row, BadRow):
                    self.left_out += 1
                else:
                    yield str(columns.text_of(row.values))

        yield from self._cut_each(texts())

    def _text_documents(self, file: Path) -> Iterator[Iterable[Piece]]:
        with open_source(file) as opened:
            sample = opened.read(_SAMPLE_BYTES)
        if not sample.strip():
            raise DataError(f"{file} is empty: give a file with text")
        encoding = self._settings.encoding or find_encoding(sample, file)
        try:
            with open_source(file) as opened, TextIOWrapper(opened, encoding, errors="replace") as lines:
                if self._settings.documents == "file":
                    yield _cut(lines, _piece_size(file.stat().st_size))
                    return
                whole = _lines if self._settings.documents == "line" else _paragraphs
                yield from self._cut_each(whole(lines))
        except LookupError:
            raise DataError(f"there is no encoding {encoding!r}: name another --encoding") from None

    def _cut_each(self, documents: Iterator[str]) -> Iterator[Iterable[Piece]]:
        first = list(itertools.islice(documents, FEWEST_DOCUMENTS))
        few = len(first) < FEWEST_DOCUMENTS
        size = _piece_size(sum(map(len, first))) if few else _PIECE_CHARACTERS
        for document in itertools.chain(first, documents):
            if self._wanted(document):
                yield _cut(document.splitlines(keepends=True), size)

    def _wanted(self, document: str) -> bool:
        if self._unwanted and _digest(document) in self._unwanted:
            self.excluded += 1
            return False
        return True


def _files(source: Path) -> list[Path]:
    path = local_file(source)
    require_name(path)
    if os.path.isdir(path):  # Path.is_dir raises where a name is too long
        found = sorted(file for file in path.rglob("*") if file.is_file() and plain_suffix(file) in _TABLES + _PLAIN)
        found = [file for file in found if not file.name.startswith(".")]
        if not found:
            raise DataError(f"{path} holds no text: it needs .txt, .csv, .tsv, .jsonl or .parquet files")
        return found
    require_file(path)
    return [path]


def _is_table(file: Path) -> bool:
    if plain_suffix(file) in _TABLES:
        return True
    with open_source(file) as opened:
        return opened.read(4) == b"PAR1"


def _piece_size(characters: int) -> int:
    """Characters of a piece: fewer in a short text, so that a tenth of it can be held out."""
    return max(_SMALLEST_PIECE, min(_PIECE_CHARACTERS, characters // _PIECES_OF_FEW))


def _bounded(lines: Iterable[str], size: int) -> Iterator[str]:
    """Lines of at most `size` characters: a longer one is cut before a space, or anywhere if it has none."""
    for line in lines:
        start = 0
        while len(line) - start > size:
            space = line.rfind(" ", start + 1, start + size)
            end = space if space > 0 else start + size
            yield line[start:end]
            start = end
        yield line[start:]


def _cut(lines: Iterable[str], size: int) -> Iterator[Piece]:
    """A document's lines as pieces of about `size` characters; the last piece is marked as the end."""
    ready, gathered, length = "", [], 0
    for line in _bounded(lines, size):
        gathered.append(line)
        length += len(line)
        if length >= size:
            if ready:
                yield Piece(ready, ends=False)
            ready, gathered, length = "".join(gathered), [], 0
    rest = "".join(gathered)
    if not is_blank(rest):
        if ready:
            yield Piece(ready, ends=False)
        ready = rest
    if not is_blank(ready):
        yield Piece(ready, ends=True)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    yield from (line for line in lines if not is_blank(line))


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """The paragraphs, separated by blank lines."""
    gathered: list[str] = []
    for line in lines:
        if not is_blank(line):
            gathered.append(line)
        elif gathered:
            yield "".join(gathered)
            gathered = []
    if gathered:
        yield "".join(gathered)


def _digest(text: str) -> bytes:
    return short_digest(text.strip().encode("utf-8", "replace"))


@cache
def _digests(path: Path, encoding: str | None) -> frozenset[bytes]:
    """The digests of all texts in a file."""
    _, columns, rows = open_rows(path, TextSettings(encoding=encoding))
    return frozenset(_digest(str(columns.text_of(row.values))) for row in rows if not isinstance(row, BadRow))
