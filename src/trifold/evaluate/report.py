"""`report.html`: one file without any outside part, fit to be sent to a colleague."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.data.check import DataSummary
from trifold.evaluate.html_page import write_page
from trifold.evaluate.leaderboard import LeaderboardRow, in_words
from trifold.evaluate.plot_style import as_svg
from trifold.evaluate.plots import confusion_figure, cost_figure, curves_figure, trust_figure
from trifold.evaluate.results import RunResult, read_csv
from trifold.evaluate.verdict import Verdict
from trifold.statistics.accuracy import correct_rows
from trifold.statistics.metric import title as metric_title
from trifold.train.history import HISTORY

_SHOWN_ERRORS = 8
_ERROR_CHARACTERS = 600
_KEPT = "Loss; the dotted line marks what was kept"
_TRIED = "Loss of the MLP head, which was tried and did worse than the logistic one on validation"


@dataclass(frozen=True)
class MethodSection:
    """What the report shows of one method.

    Attributes:
        name: Of the method.
        choices: What was chosen on validation.
        confusion: SVG.
        curves: SVG, or nothing where no step was taken.
        curves_caption: What the curves show.
        trust: SVG of reliability and coverage.
        calibration_error: Expected calibration error on the test rows.
        errors: The surest mistakes.
        error_count: All mistakes.
    """

    name: str
    choices: Mapping[str, object]
    confusion: str
    curves: str
    curves_caption: str
    trust: str
    calibration_error: float
    errors: Sequence[Mapping[str, str]]
    error_count: int


def write_report(
    folder: Path,
    title: str,
    facts: DataSummary,
    results: Sequence[RunResult],
    rows: Sequence[LeaderboardRow],
    verdict: Verdict,
    skipped: Mapping[str, str],
    command: str,
) -> None:
    """Write `report.html`.

    Args:
        folder: Where to.
        title: Of the page.
        facts: On the data.
        results: The runs, at least one.
        rows: The leaderboard.
        verdict: What to ship and why.
        skipped: Method to the reason why it is missing.
        command: The command line that reproduces all of it.
    """
    write_page(
        folder,
        "report.html",
        title=title,
        facts=facts,
        data_sha256=results[0].record.data.sha256,
        table=[in_words(row) for row in rows],
        verdict=verdict,
        score_name=metric_title(rows[0].score_name),
        cost_plot=as_svg(cost_figure(rows, verdict.ship)) if len(results) > 1 else "",
        sections=[
            _section(result) for result in sorted(results, key=lambda r: [row.method for row in rows].index(r.name))
        ],
        students=[result for result in results if result.record.teacher],
        skipped=skipped,
        command=command,
        run=next((result.record for result in results if result.record.backbone), results[0].record),
    )


def _section(result: RunResult) -> MethodSection:
    history: list[dict[str, str]] = []
    if (result.folder / HISTORY).exists():
        history = list(read_csv(result.folder / HISTORY))
    errors = [{**row, "text": _shorten(row["text"])} for row in read_csv(result.folder / "errors.csv")]
    choices = result.record.choices
    right = correct_rows(result.truth, result.predicted)
    return MethodSection(
        name=result.name,
        choices={name.replace("_", " "): _in_words(value) for name, value in choices.items()},
        confusion=as_svg(confusion_figure(result.truth, result.predicted, result.labels)),
        curves=as_svg(curves_figure(history)) if history else "",
        curves_caption=_TRIED if choices.get("head") == "logistic" else _KEPT,
        trust=as_svg(trust_figure(right, result.confidence)),
        calibration_error=result.metrics["calibration_error"],
        errors=errors[:_SHOWN_ERRORS],
        error_count=int((~right).sum()),
    )


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(item)}" for name, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shorten(text: str) -> str:
    return text if len(text) <= _ERROR_CHARACTERS else text[:_ERROR_CHARACTERS].rsplit(" ", 1)[0] + " …"
