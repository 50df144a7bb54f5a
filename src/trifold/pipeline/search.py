"""`search` on files: build an index from one, ask it the queries of one, tell what it holds."""

import json as json_module
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from trifold.data.examples import open_rows
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable, Row, Table
from trifold.documents.document import Documents, table_documents
from trifold.documents.readers.folder import folder_documents
from trifold.documents.search.build import Built, build_index
from trifold.documents.search.fitting import NOTHING_FITS, nothing_fits
from trifold.documents.search.generation import Generation, verified_record, with_current
from trifold.documents.search.query import Answer, SearchIndex
from trifold.documents.search.records import IndexRecord
from trifold.documents.search.settings import IndexSettings, QuerySettings
from trifold.errors import ArtifactError, SettingsError, require
from trifold.events import say
from trifold.inference.stream import require_result, write_labelled
from trifold.models.settings import ComputeSettings
from trifold.pipeline.folder_size import folder_bytes
from trifold.pipeline.reranker import open_reranker
from trifold.types import BadRow, Record

NO_ANSWER = "no document meets the condition"
_QUERIES_PER_SLICE = 64
# What is added to the columns of a file of queries; the row of an answer.
_ADDED: dict[str, type] = {
    "rank": int,
    "score": float,
    "similarity": float,
    "document_id": str,
    "document_file": str,
    "document_row": int,
    "snippet": str,
    "metadata": str,
    "error": str,
}


@dataclass(frozen=True)
class IndexFacts:
    """What `search info` tells of an index.

    Attributes:
        folder: Where it is.
        made: When it was last brought up to date.
        source: What was indexed, as it was named.
        documents: How many.
        passages: How many they have.
        model: What turns texts into vectors.
        width: Numbers of a vector.
        passage_tokens: Tokens of the longest passage.
        overlap_sentences: Sentences that two passages share.
        language: Of the texts.
        columns: What conditions may name.
        size_bytes: Of all its files.
        dead_passages: Passages on disk that no document has any more.
        approximate: The index for approximate search.
        keywords: Whether there is an index of keywords.
    """

    folder: str
    made: str
    source: str
    documents: int
    passages: int
    model: str
    width: int
    passage_tokens: int
    overlap_sentences: int
    language: str
    columns: tuple[str, ...]
    size_bytes: int
    dead_passages: int
    approximate: dict[str, object] | None
    keywords: bool


def build_search(
    source: Path, folder: Path, reading: TextSettings, settings: IndexSettings, compute: ComputeSettings
) -> Built:
    """Make the index in a folder hold the documents of a file or folder and no others.

    Args:
        source: CSV, TSV, JSON, Parquet or a workbook, standard input, or a folder of documents.
        folder: A new one, or one with an index.
        reading: How to read `source`; columns that are not named are those of before.
        settings: What the index is made of; what is not given is as before.
        compute: Where texts are encoded.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    if os.path.isdir(source):  # Path.is_dir raises where a name is too long
        return build_index(_folder(source, reading, settings), folder, settings, compute)
    before = _known(folder)
    if before is not None:
        reading = replace(reading, text_column=reading.text_column or before.text_column)
        if settings.id_column is None:
            settings = replace(settings, id_column=before.id_column)
    documents: Documents = table_documents(source, reading, settings.id_column)
    return build_index(documents, folder, settings, compute)


def _folder(source: Path, reading: TextSettings, settings: IndexSettings) -> Documents:
    for flag, value in (
        ("--text-column", reading.text_column),
        ("--header", reading.header),
        ("--id-column", settings.id_column),
    ):
        require(value is None, f"{flag} with a folder", "its files are whole documents, called by their paths")
    return folder_documents(source, reading.encoding, strict=reading.on_bad_rows == "fail")


def _known(folder: Path) -> IndexRecord | None:
    """What the index that is there is made of; the build itself looks at its files."""
    try:
        return with_current(folder, lambda path: verified_record(folder, path))
    except (SettingsError, ArtifactError):
        return None


def describe(folder: Path) -> IndexFacts:
    """What an index holds, every file of it compared with what was written; also while it is brought up to date.

    Raises:
        SettingsError: If there is no index.
        ArtifactError: If a file is missing or damaged.
    """
    return with_current(folder, lambda path: _described(folder, Generation(folder, path)))


def _described(folder: Path, generation: Generation) -> IndexFacts:
    record, splitting = generation.record, generation.record.splitting
    return IndexFacts(
        str(folder),
        record.made,
        record.source,
        record.documents,
        record.passages,
        record.model,
        record.width,
        splitting.passage_tokens,
        splitting.overlap_sentences,
        splitting.language,
        tuple(generation.documents.columns),
        folder_bytes(folder),
        record.positions - record.passages,
        record.approximate.as_json() if record.approximate else None,
        record.keywords,
    )


def answer_file(
    index: SearchIndex,
    source: Path,
    asked: QuerySettings,
    query_column: str | None,
    result: ResultSettings,
    *,
    json: bool = False,
) -> int:
    """Ask the queries of a file, and write a row for each answer, with the columns of its query.

    Of a query without an answer, and of a row without a query, column `error` tells why.

    Args:
        index: Is asked.
        source: File with a column of queries.
        asked: How.
        query_column: Its column of queries; guessed by default.
        result: Where to write.
        json: Whether standard output gets JSON lines instead of CSV.

    Returns:
        How many queries were asked; rows without one do not count.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    require_result(result, source, json=json)
    table, columns, rows = open_rows(source, TextSettings(text_column=query_column))
    table.tell()
    columns.tell(what="queries", flag="--query-column")
    given = ResultTable(table, _ADDED)
    given.require_new("the answers")
    count = unfit = 0

    def answered() -> Iterator[Row]:
        nonlocal count, unfit
        while slice_ := list(islice(rows, _QUERIES_PER_SLICE)):
            usable = [row for row in slice_ if isinstance(row, Record)]
            count += len(usable)
            queries = [str(columns.text_of(row.values)) for row in usable]
            found = iter(
                index.search_all(
                    queries, asked.top_k, where=asked.where, approximate=asked.approximate, hybrid=asked.hybrid
                )
            )
            for row in slice_:
                if isinstance(row, BadRow):
                    yield {**row.values, "error": f"line {row.line}: {row.reason}"}
                else:
                    answers = next(found)
                    unfit += nothing_fits(index, str(columns.text_of(row.values)), answers)
                    yield from _as_rows(row.values, answers)

    write_labelled(answered(), given, result, json=json)
    if unfit:
        say(f"note: to {unfit:,} of the queries {NOTHING_FITS}")
    return count


def open_search(index: Path, asked: QuerySettings, compute: ComputeSettings, model: str | None) -> SearchIndex:
    """An index, with the cross-encoder that ranks anew what is found where one is named."""
    return SearchIndex(index, compute, model, open_reranker(asked.rerank, compute) if asked.rerank else None)


def answer_text(index: SearchIndex, query: str, asked: QuerySettings) -> list[Answer]:
    """The answers to one query."""
    return index.search(query, asked.top_k, where=asked.where, approximate=asked.approximate, hybrid=asked.hybrid)


def write_one(query: str, answers: Sequence[Answer], result: ResultSettings) -> None:
    """Write the answers to one query into a file, a row each.

    Raises:
        TrifoldError: If it cannot be written.
    """
    table = Table(Path("query"), ("query",), "a query", lambda _: iter([Record(1, {"query": query})]))
    write_labelled(_as_rows({"query": query}, answers), ResultTable(table, _ADDED), result)


def as_json(answer: Answer) -> dict[str, object]:
    """An answer for JSON."""
    document = answer.document
    return {
        "rank": answer.rank,
        "score": answer.score,
        "similarity": answer.similarity,
        "id": document.id,
        "file": document.file,
        "row": document.row,
        "metadata": document.metadata,
        "passage": {"start": answer.start, "end": answer.end, "text": answer.passage},
        "snippet": asdict(answer.snippet),
    }


def _as_rows(query: Row, answers: Sequence[Answer]) -> Iterator[Row]:
    """A row for each answer to a query; where there is none, one that says so."""
    if not answers:
        yield {**query, "error": NO_ANSWER}
    for answer in answers:
        yield {**query, **_as_row(answer)}


def _as_row(answer: Answer) -> Row:
    document = answer.document
    return {
        "rank": answer.rank,
        "score": answer.score,
        "similarity": answer.similarity,
        "document_id": document.id,
        "document_file": document.file,
        "document_row": document.row,
        "snippet": answer.snippet.text,
        "metadata": json_module.dumps(document.metadata, ensure_ascii=False, default=str),
        "error": None,
    }
