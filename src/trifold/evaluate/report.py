"""`report.html`: one file without any outside part, fit to be sent to a colleague."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trifold.data.check import DataSummary
from trifold.evaluate.html_page import write_page
from trifold.evaluate.leaderboard import LeaderboardRow, in_words
from trifold.evaluate.method_section import MethodSection
from trifold.evaluate.plot_style import as_svg
from trifold.evaluate.plots import cost_figure
from trifold.evaluate.verdict import Verdict
from trifold.statistics.metric import lower_is_better
from trifold.statistics.metric import title as metric_title


def write_report(
    folder: Path,
    title: str,
    facts: DataSummary,
    sections: Sequence[MethodSection],
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
        sections: The runs as `describe_method` gives them, at least one.
        rows: The leaderboard.
        verdict: What to ship and why.
        skipped: Method to the reason why it is missing.
        command: The command line that reproduces all of it.
    """
    score_name = metric_title(rows[0].score_name)
    spelling = facts.label_caution()
    ranks = {row.method: rank for rank, row in enumerate(rows)}
    sections = sorted(sections, key=lambda section: ranks[section.result.name])
    ranked = [section.result for section in sections]
    write_page(
        folder,
        "report.html",
        title=title,
        facts=facts,
        data_sha256=ranked[0].record.data.sha256,
        table=[in_words(row) for row in rows],
        verdict=verdict,
        spelling=spelling,
        sentences=[sentence for sentence in verdict.sentences if sentence not in spelling],
        score_name=score_name,
        better="Down" if lower_is_better(rows[0].score_name) else "Up",
        cost_plot=as_svg(cost_figure(rows, verdict.ship), f"{score_name} against time per text")
        if len(ranked) > 1
        else "",
        sections=sections,
        students=[result for result in ranked if result.record.teacher],
        skipped=skipped,
        command=command,
        backbones={backbone.sha256: backbone for result in ranked if (backbone := result.record.backbone)}.values(),
        cut={
            f"the {result.record.reach} that {result.name} reads": result.record.truncated_test_texts
            for result in ranked
            if result.record.truncated_test_texts
        },
        run=ranked[0].record,
    )
