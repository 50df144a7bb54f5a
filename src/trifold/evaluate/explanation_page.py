"""Explanations as one page without any outside part, fit to be sent to a colleague."""

from collections.abc import Sequence
from dataclasses import dataclass

from trifold.artifact.run_record import FinetuneRecord
from trifold.evaluate.html_page import make_page
from trifold.explanations.explanation import ExplainedRow
from trifold.explanations.marks import Piece, pieces
from trifold.explanations.overview import Overview
from trifold.explanations.wording import headline, named_words
from trifold.formatting import counted, shortened
from trifold.tasks.labels import as_text

# From so many characters on, only what stands around the deciding words is shown.
_MOST_CHARACTERS = 20_000
_NEAR_CHARACTERS = 400


@dataclass(frozen=True)
class ExplainedSection:
    """What the page shows of one text.

    Attributes:
        found: The explanation.
        pieces: The text, cut into words and what stands between.
        headline: Where it stands, what the model says and what the file does.
        deciding: The deciding words, each once.
        near: The nearest training rows: label and text of each.
    """

    found: ExplainedRow
    pieces: Sequence[Piece]
    headline: str
    deciding: Sequence[str]
    near: Sequence[tuple[str, str]]


def explanation_page(run: FinetuneRecord, rows: Sequence[ExplainedRow], overview: Overview | None) -> str:
    """The page of some explained texts, or of a file as a whole.

    Args:
        run: Record of the run whose labels are explained.
        rows: The texts, if there are any.
        overview: The words of each label, if they were sought.
    """
    what = counted(overview.texts, "text") if overview else counted(len(rows), "text")
    return make_page(
        "explanations.html",
        title=f"What decided: {run.method}, {what}",
        run=run,
        sections=[_section(row) for row in rows],
        overview=overview,
    )


def _section(row: ExplainedRow) -> ExplainedSection:
    return ExplainedSection(
        row,
        pieces(row.explanation, _MOST_CHARACTERS),
        headline(row),
        named_words(row.explanation.deciding),
        [(as_text(near.label) or "no label", shortened(near.text, _NEAR_CHARACTERS)) for near in row.nearest],
    )
