"""A generation of an index: everything that a query needs, as one build left it. Opened by any number of readers."""

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from trifold.artifact.npy_file import read_npy
from trifold.documents.search.document_passages import DocumentPassages
from trifold.documents.search.mapped_array import unreadable
from trifold.documents.search.records import CURRENT, FORMAT, INDEX, CurrentRecord, IndexRecord, damaged, read_record
from trifold.documents.search.segments import Segments
from trifold.documents.search.tables import DocumentTable
from trifold.errors import ArtifactError, SettingsError
from trifold.folder_kinds import wrong_kind
from trifold.hashing import file_sha256

GENERATIONS, SEGMENTS, UNFINISHED = "generations", "segments", "unfinished"
DOCUMENTS, OWNERS, DIGESTS = "documents.parquet", "owners.npy", "digests.npy"
KEYWORDS, APPROXIMATE = "keywords", "approximate.faiss"
_OTHER_CONTENT = "its content is not what was written"
# A reader may see the files of a generation go while it opens them: another one is current by then.
_ATTEMPTS = 20

_Opened = TypeVar("_Opened")


class Generation:
    """One generation, opened.

    Args:
        folder: The index.
        path: The generation's own folder.
        verified: Whether every file is first seen to be what was written: one that is not could answer anything, and
            end the process that maps it. A hash is read at a gigabyte a second and more.

    Attributes:
        record: What it is made of.
        segments: The passages.
        owners: `(positions,)` int32, the document of each passage; -1 for one that no document has any more.
        alive: `(positions,)` bool, whether it has one.
        documents: What is known of them.

    Raises:
        ArtifactError: If a file is missing or damaged, or of another version of the format.
    """

    def __init__(self, folder: Path, path: Path, *, verified: bool = True) -> None:
        self.path = path
        read = verified_record(folder, path) if verified else read_record(path / INDEX, IndexRecord)
        self.record: IndexRecord = read
        if self.record.format != FORMAT:
            raise ArtifactError(
                f"{folder} is an index of format {self.record.format}, and this version reads format {FORMAT}: "
                "build it again into another folder"
            )
        if verified:
            verify(folder, path, self.record)
        self.segments = Segments(folder / SEGMENTS, self.record.segments, self.record.width)
        owners = read_npy(path / OWNERS, "<i4", 1)
        if owners is None or len(owners) != len(self.segments) or owners.max(initial=-1) >= self.record.documents:
            raise damaged(path / OWNERS, "it does not name the documents of the passages")
        self.owners = owners
        self.alive: np.ndarray = owners >= 0
        self.documents = DocumentTable(path / DOCUMENTS)
        if len(self.documents) != self.record.documents:
            raise damaged(path / DOCUMENTS, "it does not hold all documents")

    def digests(self) -> np.ndarray:
        """A digest of each document's text, `(documents, 16)` uint8.

        Raises:
            ArtifactError: If they are missing or damaged.
        """
        found = read_npy(self.path / DIGESTS, "|u1", 2)
        if found is None or found.shape != (self.record.documents, 16):
            raise damaged(self.path / DIGESTS, "it does not hold the digests of the documents")
        return found

    @cached_property
    def runs(self) -> DocumentPassages:
        """Which passages each document has."""
        return DocumentPassages(self.owners)

    def texts(self) -> Iterator[str]:
        """The text of every document in the order of `runs`; what two of its passages share comes once."""
        parts: list[str] = []
        document, end = -1, 0
        alive = np.flatnonzero(self.alive)
        for owner, passage in zip(self.owners[alive].tolist(), self.segments.passages(alive), strict=True):
            if owner != document:
                if parts:
                    yield " ".join(parts)
                parts, document, end = [], owner, 0
            parts.append(passage.text[max(0, end - passage.start) :])
            end = passage.end
        if parts:
            yield " ".join(parts)


def verified_record(folder: Path, path: Path) -> IndexRecord:
    """What the current generation is made of.

    Args:
        folder: The index.
        path: The generation's own folder.

    Raises:
        ArtifactError: If that is not what was written.
    """
    record: IndexRecord = read_record(path / INDEX, IndexRecord)
    if file_sha256(path / INDEX) != read_record(folder / CURRENT, CurrentRecord).sha256:
        raise damaged(path / INDEX, _OTHER_CONTENT)
    return record


def verify(folder: Path, path: Path, record: IndexRecord, names: Collection[str] | None = None) -> None:
    """See that files of a generation are what was written.

    Args:
        folder: The index.
        path: The generation's own folder.
        record: Its record.
        names: Of the files, as the record names them; all where `None`.

    Raises:
        ArtifactError: If one is not.
    """
    for name, expected in record.sha256.items():
        if names is None or name in names:
            file = file_of(folder, path, name)
            try:
                found = file_sha256(file)
            except OSError:
                raise unreadable(file) from None
            if found != expected:
                raise damaged(file, _OTHER_CONTENT)


def file_of(folder: Path, path: Path, name: str) -> Path:
    """Where a file lies that the record of a generation names: a segment's, or one of its own."""
    return folder / name if name.startswith(f"{SEGMENTS}/") else path / name


def open_generation(folder: Path) -> Generation:
    """The current generation of an index.

    Raises:
        SettingsError: If there is no index.
        ArtifactError: If it is damaged.
    """
    return with_current(folder, lambda path: Generation(folder, path))


def with_current(folder: Path, open_: Callable[[Path], _Opened]) -> _Opened:
    """What a function opens of the current generation; once more where a build replaced that meanwhile.

    Args:
        folder: The index.
        open_: Told the generation's folder.

    Raises:
        SettingsError: If there is no index.
        ArtifactError: As `open_`.
    """
    require_index(folder)
    for _ in range(_ATTEMPTS):
        name = current_generation(folder)
        try:
            return open_(folder / GENERATIONS / name)
        except ArtifactError:
            if current_generation(folder) == name:
                raise
    raise ArtifactError(f"{folder} is brought up to date again and again: try later")


def current_generation(folder: Path) -> str:
    """Name of the current generation.

    Raises:
        ArtifactError: If that is not to be read.
    """
    name: str = read_record(folder / CURRENT, CurrentRecord).generation
    if not name.isalnum():
        raise damaged(folder / CURRENT, f"generation is {name[:40]!r}")
    return name


def require_index(folder: Path) -> None:
    """Refuse a folder that holds no index.

    Raises:
        SettingsError: If it does not.
    """
    if (folder / CURRENT).is_file():
        return
    if (folder / UNFINISHED).is_dir():
        raise SettingsError(
            f"{folder} holds an index whose first build is not finished: start trifold search build again"
        )
    if other := wrong_kind(folder, "an index of documents"):
        raise SettingsError(other)
    lacks = "holds no index" if folder.is_dir() else "is no folder of an index"
    raise SettingsError(f"{folder} {lacks}: make one with trifold search build DOCS --index {folder}")
