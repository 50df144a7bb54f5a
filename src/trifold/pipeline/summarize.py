"""Summarize a text, or each row of a file: by its own sentences, or in a language model's words."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.source import is_standard_input, standard_input
from trifold.data.table import ResultTable
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.readers.folder import SUFFIXES, read_document
from trifold.documents.readers.folder_table import folder_table
from trifold.documents.similarity.similar import unit_encoder
from trifold.documents.summaries.llm_summaries import Claim, cite, write_summaries
from trifold.documents.summaries.settings import SummarySettings
from trifold.documents.summaries.summaries import Summary, summarize
from trifold.documents.summaries.word_weights import WordWeights
from trifold.errors import LlmError
from trifold.formatting import counted
from trifold.inference.answers import ERROR
from trifold.inference.stream import NOTHING_KEPT, counting_unreadable, label_rows, require_result, write_labelled
from trifold.llm.call_log import IN_LOG
from trifold.llm.settings import LlmSettings
from trifold.models.settings import EncodingSettings
from trifold.pipeline.prompt_files import Session
from trifold.runtime import prepare_own
from trifold.types import Record, Text

SUMMARY, SOURCES = "summary", "sources"
NO_SENTENCE = "the text has no sentence with a word"


@dataclass(frozen=True)
class Summarized:
    """A text's summary, however it was made.

    Attributes:
        text: The summary.
        extracted: The text's sentences that it consists of; `None` where a language model wrote it.
        claims: Where each sentence of a written summary comes from, if that was asked for.
    """

    text: str
    extracted: Summary | None = None
    claims: tuple[Claim, ...] | None = None

    @property
    def sources(self) -> list[int]:
        """Numbers, from 1, of the text's sentences that it consists of or comes from."""
        if self.extracted:
            return [sentence.number + 1 for sentence in self.extracted.sentences]
        return [claim.number + 1 for claim in self.claims or ()]


@dataclass
class SummaryCounts:
    """How many rows of a file were summarized, counted while they stream by.

    Attributes:
        summarized: Rows that got a summary.
        failed: Rows for which there is none: the language model failed, or the text has no words.
        unreadable: Rows without a usable text.
    """

    summarized: int = 0
    failed: int = 0
    unreadable: int = 0

    def in_words(self) -> str:
        """Such as `9,990 rows summarized, 3 unreadable`."""
        others = [f"{count:,} {what}" for what, count in vars(self).items() if count and what != "summarized"]
        return ", ".join([f"{counted(self.summarized, 'row')} summarized", *others])


class Summarizer:
    """Opened models that summarize.

    Args:
        model: A MODEL argument, whose vectors compare sentences.
        encoding: How it encodes.
        settings: What summaries are like.
        llm: A language model that writes them; their own sentences make them where `None`.
        cited: Whether the sources of what it writes are looked for.

    Attributes:
        settings: As given.
        offline: Whether no connection may be opened.

    Raises:
        TrifoldError: If a model cannot be opened.
    """

    def __init__(
        self,
        model: str = "minilm",
        encoding: EncodingSettings | None = None,
        settings: SummarySettings | None = None,
        llm: LlmSettings | None = None,
        *,
        cited: bool = False,
    ) -> None:
        encoding = encoding or EncodingSettings()
        self.settings, self.offline = settings or SummarySettings(), encoding.offline
        prepare_own()
        self._session = Session(llm, encoding) if llm else None
        needs_vectors = self._session is None or cited
        embedder = TextEmbedder(model, normalize=True, settings=encoding) if needs_vectors else None
        self._encode = unit_encoder(embedder, embedder.prompt_text()) if embedder else None
        self._weigh = None if self._session or embedder is None else WordWeights(embedder.files)

    @property
    def asks_llm(self) -> bool:
        """Whether a language model writes the summaries."""
        return self._session is not None

    def summarize(self, texts: Sequence[str]) -> list[Summarized]:
        """Summaries of some texts.

        Raises:
            LlmError: If the language model writes none.
        """
        if self._session is None:
            assert self._encode is not None
            assert self._weigh is not None
            found = summarize(texts, self._encode, self._weigh, self.settings)
            return [Summarized(one.text, one) for one in found]
        written = self.written(texts)
        error = next((one for one in written if isinstance(one, LlmError)), None)
        if error:
            raise error
        return [one for one in written if isinstance(one, Summarized)]

    def written(self, texts: Sequence[str]) -> list[Summarized | LlmError]:
        """Summaries of some texts by the language model, or why it wrote none."""
        assert self._session is not None
        count, ask_all = self._session.client.model.count_tokens, self._session.texts_of
        summaries = write_summaries(texts, ask_all, count, self.settings)
        return [
            one if isinstance(one, LlmError) else Summarized(one, claims=self._claims(one, text))
            for text, one in zip(texts, summaries, strict=True)
        ]

    def _claims(self, summary: str, text: str) -> tuple[Claim, ...] | None:
        return tuple(cite(summary, text, self._encode, self.settings.language)) if self._encode else None


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; a name that cannot be a path is none."""
    return os.path.isdir(path)


def document_text(source: Path, reading: TextSettings | None) -> str | None:
    """The text of a document; `None` if `source` is a table, whose rows are texts.

    Standard input is a document unless a column is named.

    Raises:
        DataError: If it cannot be read.
    """
    encoding = reading.encoding if reading else None
    if is_standard_input(source):
        return None if reading and reading.text_column else read_document(standard_input(), encoding)
    return (
        read_document(source, encoding) if source.suffix.lower() in (*SUFFIXES, "") and not is_folder(source) else None
    )


def summarize_file(
    summarizer: Summarizer,
    source: Path,
    reading: TextSettings,
    result: ResultSettings,
    own: RecordedColumns | None = None,
    *,
    cited: bool = False,
    json: bool = False,
) -> SummaryCounts:
    """Write every row of a file with its summary; rows keep their order, and bad ones say why they have none.

    Args:
        summarizer: Makes the summaries.
        source: CSV, TSV, JSON, Parquet, a workbook, or a folder of documents.
        reading: How to read it.
        result: Where to write.
        own: The columns of the run that the encoder belongs to, if it belongs to one.
        cited: Whether a column `sources` has the numbers of the sentences that each summary comes from.
        json: Whether standard output gets JSON lines instead of CSV.

    Returns:
        How many rows were summarized, and how many were not.

    Raises:
        DataError: If the file cannot be used.
        SettingsError: If the result cannot be written as asked.
    """
    require_result(result, source, json=json)
    if is_folder(source):
        source_table, columns = folder_table(source, reading.encoding)
        rows = source_table.rows()
    else:
        source_table, columns, rows = open_rows(source, reading, own)
    source_table.tell()
    columns.tell(own)
    table = ResultTable(source_table, {SUMMARY: str, **({SOURCES: str} if cited else {}), ERROR: str})
    table.require_new("summaries")
    counts = SummaryCounts()

    def answer(_: Sequence[Record], texts: Sequence[Text]) -> Iterator[Mapping[str, object]]:
        for found in _each(summarizer, [str(text) for text in texts]):
            if isinstance(found, LlmError) or not found.text:
                counts.failed += 1
                yield {ERROR: str(found) if isinstance(found, LlmError) else NO_SENTENCE}
                continue
            counts.summarized += 1
            numbers = {SOURCES: " ".join(map(str, found.sources))} if cited else {}
            yield {SUMMARY: found.text, **numbers}

    kept = IN_LOG if summarizer.asks_llm else NOTHING_KEPT
    labelled = label_rows(counting_unreadable(rows, counts), columns, answer)
    write_labelled(labelled, table, result, json=json, kept=kept)
    return counts


def _each(summarizer: Summarizer, texts: Sequence[str]) -> Iterator[Summarized | LlmError]:
    """Summaries in the order of the texts; a language model that fails on one goes on with the next."""
    yield from summarizer.written(texts) if summarizer.asks_llm else summarizer.summarize(texts)
