"""What stands in an index's JSON files: which generation is current, and what a generation is made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifold.errors import ArtifactError
from trifold.schema import Amount, Count, JsonRecord, Size, read_value

# Raised whenever files are written or read in another way.
FORMAT = 1
CURRENT, INDEX = "current.json", "index.json"
_WAY_OUT = "build the index again with trifold search build"


@dataclass(frozen=True)
class CurrentRecord(JsonRecord):
    """`current.json`: the one file that is replaced when an index is brought up to date.

    Attributes:
        generation: Name of the generation's folder.
        sha256: Hash of its `index.json`, which has those of all other files.
    """

    generation: str
    sha256: str


@dataclass(frozen=True)
class SegmentRecord(JsonRecord):
    """Some passages, written once and never changed.

    Attributes:
        name: Of its files.
        passages: How many it has, those included that no document has any more.
        longest: Length of its longest vector.
    """

    name: str
    passages: Count
    longest: Amount


@dataclass(frozen=True)
class SplittingRecord(JsonRecord):
    """How documents are cut into passages.

    Attributes:
        passage_tokens: As in `IndexSettings`.
        overlap_sentences: As in `IndexSettings`.
        language: As in `IndexSettings`.
    """

    passage_tokens: Size
    overlap_sentences: Count
    language: str


@dataclass(frozen=True)
class ApproximateRecord(JsonRecord):
    """The index for approximate search.

    Attributes:
        kind: What faiss calls it.
        probes: Cells that are searched for a query.
        recall: Share of the ten nearest passages that are found so, of `queries` passages of the index that are each
            left out of their own answers; other passages than those that `probes` was chosen on.
        queries: How many passages that was measured on.
    """

    kind: str
    probes: Size
    recall: float
    queries: Count


@dataclass(frozen=True)
class IndexRecord(JsonRecord):
    """`index.json`: a generation of an index.

    Attributes:
        format: Version of the files.
        made: When it was built, in local time.
        source: What was indexed, as it was named.
        model: What turns passages into vectors, as it was named; a folder by its absolute path.
        encoder: Identity of what the vectors depend on.
        width: Numbers of a vector.
        splitting: How documents are cut.
        text_column: Columns that the texts were read from; `None` where it was no table.
        id_column: Column with the names of the documents.
        documents: How many.
        passages: How many they have.
        segments: Where the passages lie, in the order of their positions.
        sha256: Name of every file to the hash of its content.
        approximate: The index for approximate search, where there is one.
        keywords: Whether there is an index of keywords.
        approximate_wanted: What was said of the index for approximate search, if anything: later builds keep to it.
    """

    format: int
    made: str
    source: str
    model: str
    encoder: str
    width: Size
    splitting: SplittingRecord
    documents: Count
    passages: Count
    segments: list[SegmentRecord]
    sha256: dict[str, str]
    text_column: str | None = None
    id_column: str | None = None
    approximate: ApproximateRecord | None = None
    keywords: bool = False
    approximate_wanted: bool | None = None

    @property
    def positions(self) -> int:
        """Passages of all segments, those included that no document has any more."""
        return sum(segment.passages for segment in self.segments)


def damaged(path: Path, what: str) -> ArtifactError:
    """The error for a file of an index that is not as it was written.

    Args:
        path: The file.
        what: What is wrong with it.
    """
    return ArtifactError(f"{path} is damaged ({what}): {_WAY_OUT}")


def read_record(path: Path, shape: type[Any]) -> Any:
    """A record of an index.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    try:
        return read_value(path, shape)
    except ArtifactError as error:
        raise ArtifactError(f"{str(error).rpartition(': ')[0]}: {_WAY_OUT}") from None
