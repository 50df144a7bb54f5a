"""Measure summaries against those that people wrote, beside the first sentences of each text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from trifold.data.columns import unusable_text
from trifold.data.examples import open_rows
from trifold.data.settings import TextSettings
from trifold.documents.language.sentences import split_sentences
from trifold.documents.language.stemmer import open_stemmer
from trifold.documents.summaries.settings import SummarySettings
from trifold.documents.summaries.summaries import bounded_sentences
from trifold.errors import DataError, did_you_mean
from trifold.pipeline.summarize import Summarizer
from trifold.statistics.intervals import Interval, mean_interval
from trifold.statistics.rouge import Rouge, Stem, rouge
from trifold.types import Record

_ROWS_PER_SLICE = 256
_USUAL_NAMES = ("summary", "highlights", "abstract", "reference", "target")
FIGURES = ("rouge_1", "rouge_2", "rouge_l")


@dataclass(frozen=True)
class ScoredRow:
    """ROUGE of one row.

    Attributes:
        row: 1-based number of the row in the file.
        summary: Of its summary.
        lead: Of as many sentences from the beginning of its text.
        same: Whether the summary is just those.
    """

    row: int
    summary: Rouge
    lead: Rouge
    same: bool


@dataclass
class SummaryScores:
    """ROUGE of summaries and of each text's first sentences, counted while rows are summarized.

    Attributes:
        rows: Of every usable row.
        unreadable: Rows without a usable text or reference.
        stemmed: Whether words of one stem counted as equal.
    """

    rows: list[ScoredRow] = field(default_factory=list)
    unreadable: int = 0
    stemmed: bool = False

    def interval(self, figure: str, of: str = "summary") -> Interval:
        """The mean over the rows, with its 95 % interval.

        Args:
            figure: One of `FIGURES`.
            of: `summary`, `lead`, or `difference`, row by row.
        """
        if of == "difference":
            return mean_interval(self._column("summary", figure) - self._column("lead", figure), lowest=-1)
        return mean_interval(self._column(of, figure))

    @property
    def differing(self) -> int:
        """Number of summaries that are not just the first sentences."""
        return sum(not row.same for row in self.rows)

    def described(self) -> dict[str, object]:
        """For JSON."""
        parts = {"summaries": "summary", "first_sentences": "lead", "difference": "difference"}
        figures = {name: {figure: vars(self.interval(figure, of)) for figure in FIGURES} for name, of in parts.items()}
        return {
            **figures,
            "differ_from_first_sentences": self.differing / len(self.rows),
            "rows": len(self.rows),
            "unreadable": self.unreadable,
            "stemmed": self.stemmed,
        }

    def _column(self, of: str, figure: str) -> np.ndarray:
        return np.array([getattr(getattr(row, of), figure) for row in self.rows])


def evaluate_summaries(
    summarizer: Summarizer, source: Path, reading: TextSettings, summary_column: str | None = None
) -> SummaryScores:
    """Summarize every row of a file and compare with the summary that it holds.

    Args:
        summarizer: Makes the summaries.
        source: A file with a column of texts and one of reference summaries.
        reading: How to read it.
        summary_column: The references; guessed by its name where `None`.

    Raises:
        DataError: If the file cannot be used, or no row of it can.
        LlmError: If a language model fails on a row.
    """
    table, columns, rows = open_rows(source, reading)
    reference_column = _reference_column(table.columns, columns.texts, summary_column, source)
    stem = stemmer(summarizer.settings.language)
    found = SummaryScores(stemmed=stem is not None)
    numbered = enumerate(rows, start=1)
    while slice_ := list(islice(numbered, _ROWS_PER_SLICE)):
        usable = [
            (number, str(columns.text_of(row.values)), str(row.values[reference_column]))
            for number, row in slice_
            if isinstance(row, Record) and unusable_text(row.values[reference_column]) is None
        ]
        found.unreadable += len(slice_) - len(usable)
        _score(found, usable, summarizer, stem)
    if not found.rows:
        raise DataError(f"no row of {source} has both a text and a summary: name --text-column and --summary-column")
    return found


def _score(
    found: SummaryScores, rows: Sequence[tuple[int, str, str]], summarizer: Summarizer, stem: Stem | None
) -> None:
    settings = summarizer.settings
    made = summarizer.summarize([text for _, text, _ in rows])
    for (number, text, reference), summary in zip(rows, made, strict=True):
        lead = [sentence.text for sentence in islice(bounded_sentences(text, settings.language), settings.sentences)]
        if summary.extracted:
            own = [sentence.text for sentence in summary.extracted.sentences]
        else:
            own = _sentences(summary.text, settings)
        wanted = _sentences(reference, settings)
        found.rows.append(ScoredRow(number, rouge(own, wanted, stem), rouge(lead, wanted, stem), own == lead))


def _sentences(text: str, settings: SummarySettings) -> list[str]:
    """The lines of a summary, each split into sentences."""
    return [sentence.text for line in text.splitlines() for sentence in split_sentences(line, settings.language)] or [
        text
    ]


def stemmer(language: str) -> Stem | None:
    """The stemmer of a language: Porter's for English, as in published figures; `None` if it cannot be opened."""
    try:
        return open_stemmer("porter" if language == "en" else language)
    except ImportError:
        return None


def _reference_column(names: Sequence[str], texts: Sequence[str], given: str | None, source: Path) -> str:
    if given is None:
        given = next((name for name in names if name.strip().lower() in _USUAL_NAMES and name not in texts), None)
        if given is None:
            raise DataError(f"no column of {source} is known to hold summaries: name it with --summary-column")
    if given not in names:
        raise DataError(f"there is no column {given!r}{did_you_mean(given, names)}: name one of {', '.join(names)}")
    if given in texts:
        raise DataError(f"{given!r} cannot hold both texts and summaries: name another --text-column")
    return given
