"""Read documents, and see that each of their passages has its place: in a segment that is there, or in a new one."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from trifold.documents.document import Document, Documents
from trifold.documents.search.encoding import Encoding
from trifold.documents.search.generation import DOCUMENTS
from trifold.documents.search.journal import Journal
from trifold.documents.search.known_documents import KnownDocuments
from trifold.documents.search.passages import PassageSplitter
from trifold.documents.search.planning import Plan
from trifold.documents.search.records import SegmentRecord
from trifold.documents.search.segments import SegmentWriter
from trifold.documents.search.tables import DocumentTableWriter, new_table
from trifold.documents.search.writing import IndexFolder
from trifold.errors import DataError
from trifold.hashing import DIGEST_BYTES, short_digest
from trifold.types import BadRow

_DOCUMENTS_PER_SLICE = 1_024
_ROWS_PER_BLOCK = 8_192
_SHOWN_REASONS = 3


@dataclass(frozen=True)
class Placed:
    """Documents whose passages all have their place.

    Attributes:
        digests: `(documents, 16)` uint8, of their texts.
        segments: Those of before, and a new one where there are new passages.
        owners: `(positions,)` int32, the document of each passage; -1 for one that no document has any more.
        unchanged: Documents whose passages were there.
        encoded_passages: New passages that went through the model.
        recovered_passages: New passages that an earlier build had encoded.
        bad: Line and reason of each document that cannot be used.
    """

    digests: np.ndarray
    segments: list[SegmentRecord]
    owners: np.ndarray
    unchanged: int
    encoded_passages: int
    recovered_passages: int
    bad: tuple[tuple[int, str], ...]


def place_documents(documents: Documents, plan: Plan, place: IndexFolder, aside: Path, journal: Journal) -> Placed:
    """Read all documents; new passages are encoded and written into a new segment.

    Args:
        documents: Are read once.
        plan: How they become passages and vectors.
        place: The index.
        aside: The generation's folder, which gets the table of documents.
        journal: Keeps vectors until the segment is written.

    Raises:
        DataError: If no document can be used.
    """
    with (
        new_table(aside / DOCUMENTS, documents.types) as table,
        SegmentWriter(place.segments, place.name, plan.embedder.width) as segment,
    ):
        reader = _Reader(plan, table, segment, journal)
        stream = documents.read()
        while slice_ := list(islice(stream, _DOCUMENTS_PER_SLICE)):
            reader.take(slice_)
        if not table.documents:
            reasons = ", ".join(list(dict.fromkeys(reason for _, reason in reader.bad))[:_SHOWN_REASONS])
            raise DataError(f"no document of {documents.source} can be used ({reasons or 'it holds none'}): correct it")
        return reader.placed(segment)


class _Reader:
    """Takes documents slice by slice."""

    def __init__(self, plan: Plan, table: DocumentTableWriter, segment: SegmentWriter, journal: Journal) -> None:
        self._plan, self._table, self._segment, self._journal = plan, table, segment, journal
        previous = plan.previous
        self._known = KnownDocuments(previous.digests() if previous else np.zeros((0, DIGEST_BYTES), dtype=np.uint8))
        # Of each document of before, its number now.
        self._now = np.full(previous.record.documents if previous else 0, -1, dtype=np.int32)
        splitting = plan.splitting
        embedder = plan.embedder
        self._splitter = PassageSplitter(
            embedder.tokenizer, embedder.document_prompt, splitting.overlap_sentences, splitting.language
        )
        self._encoding = Encoding(plan.embedder, journal, is_first=previous is None)
        self._owners, self._digests = array("i"), bytearray()
        self.bad: list[tuple[int, str]] = []

    def take(self, slice_: list[Document | BadRow]) -> None:
        """Place some documents."""
        new: dict[int, str] = {}
        for document in slice_:
            if isinstance(document, BadRow):
                self.bad.append((document.line, document.reason))
                continue
            digest = short_digest(document.text.encode("utf-8", "surrogatepass"))
            number = self._table.documents
            self._table.add(document)
            self._digests += digest
            before = self._known.claim(digest)
            if before is None:
                new[number] = document.text
            else:
                self._now[before] = number
        split = self._splitter.split(list(new.values()))
        passages = [passage for some in split for passage in some]
        if passages:
            self._segment.add(passages)
            self._encoding.add([passage.text for passage in passages])
        for number, some in zip(new, split, strict=True):
            self._owners.extend([number] * len(some))

    def placed(self, segment: SegmentWriter) -> Placed:
        """Everything was read: encode what waits, and write the new segment."""
        self._encoding.flush()
        previous, made = self._plan.previous, []
        if segment.passages:
            made = [segment.end(self._vectors())]
        owners = np.frombuffer(self._owners, dtype=np.int32) if self._owners else np.zeros(0, dtype=np.int32)
        if previous:
            before = np.where(previous.alive, self._now[previous.owners], np.int32(-1))
            owners = np.concatenate([before, owners])
        return Placed(
            np.frombuffer(bytes(self._digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES),
            [*(previous.record.segments if previous else []), *made],
            owners.astype(np.int32),
            int((self._now >= 0).sum()),
            self._encoding.computed,
            self._encoding.recovered,
            tuple(self.bad),
        )

    def _vectors(self) -> Iterator[np.ndarray]:
        rows = self._encoding.journal_rows()
        for start in range(0, len(rows), _ROWS_PER_BLOCK):
            block = rows[start : start + _ROWS_PER_BLOCK]
            into = np.empty((len(block), self._plan.embedder.width), dtype=np.float16)
            self._journal.gather(block, into)
            yield into
