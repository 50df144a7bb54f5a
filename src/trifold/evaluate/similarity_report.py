"""What people look at in runs of `--task similarity`: the scatter of scores, the report, and the model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trifold.evaluate.html_page import write_page
from trifold.evaluate.leaderboard import in_words
from trifold.evaluate.model_card import render_card
from trifold.evaluate.plot_style import GREEN, GREY, NARROW, add_grid, as_svg, new_figure
from trifold.evaluate.plots import cost_figure, curves_figure, kept_epoch
from trifold.evaluate.results import read_csv
from trifold.evaluate.similarity_results import SCORE, SimilarityResult, similarity_leaderboard
from trifold.evaluate.verdict import Verdict
from trifold.formatting import shortened
from trifold.methods.catalogue import method_entry, similarity_entry
from trifold.statistics.metric import shown, title
from trifold.train.history import HISTORY

_MOST_DOTS = 4_000
_SHOWN_ERRORS, _ERROR_CHARACTERS = 8, 400
# Dots that stand on each other are told apart by what lies beside the score that people gave.
_JITTER = 0.008


@dataclass(frozen=True)
class SimilaritySection:
    """What the report shows of one method.

    Attributes:
        result: The run.
        figure: Its Spearman correlation, in words.
        choices: What was chosen for it, name to words.
        scatter: SVG.
        curves: SVG, or nothing where no step was taken.
        kept_epoch: The epoch whose weights were kept, where there are curves.
        errors: Pairs on which it is farthest off.
    """

    result: SimilarityResult
    figure: str
    choices: Mapping[str, str]
    scatter: str
    curves: str
    kept_epoch: float | None
    errors: Sequence[Mapping[str, str]]


def describe_similarity(result: SimilarityResult) -> SimilaritySection:
    """Read a run folder's files and draw its figures."""
    history = list(read_csv(result.folder / HISTORY)) if (result.folder / HISTORY).exists() else []
    errors = [
        {**row, **{side: shortened(row[side], _ERROR_CHARACTERS) for side in ("first", "second")}}
        for row, _ in zip(read_csv(result.folder / "errors.csv"), range(_SHOWN_ERRORS), strict=False)
    ]
    choices = result.record.choices.items()
    return SimilaritySection(
        result=result,
        figure=shown(SCORE, result.figure(SCORE).value),
        choices={name.replace("_", " "): f"{v:.4g}" if isinstance(v, float) else str(v) for name, v in choices},
        scatter=as_svg(scatter_figure(result), f"{result.name}: predicted scores against true ones"),
        curves=as_svg(curves_figure(history), f"{result.name}: loss over the epochs") if history else "",
        kept_epoch=kept_epoch(history) if history else None,
        errors=errors,
    )


def scatter_figure(result: SimilarityResult) -> Any:
    """What is predicted against what people said, a dot a test pair; on the line both are the same."""
    figure = new_figure(NARROW, 3.4)
    axes, rng = figure.subplots(), np.random.default_rng(0)
    kept = rng.permutation(len(result.truth))[:_MOST_DOTS]
    truth, scaled = result.truth[kept], result.scaled[kept]
    low, high = float(min(truth.min(), scaled.min())), float(max(truth.max(), scaled.max()))
    jitter = _JITTER * (high - low) * rng.normal(size=len(kept))
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":")
    axes.scatter(truth + jitter, scaled, s=7, color=GREEN, alpha=0.35, linewidths=0)
    axes.set(xlabel="true score", ylabel="predicted score")
    add_grid(axes)
    return figure


def write_scatter(folder: Path, result: SimilarityResult) -> None:
    """Write `scores.png`."""
    scatter_figure(result).savefig(folder / "scores.png", dpi=120)


def write_similarity_report(
    folder: Path,
    heading: str,
    sections: Sequence[SimilaritySection],
    verdict: Verdict,
    warnings: Sequence[str],
    skipped: Mapping[str, str],
    command: str,
) -> None:
    """Write `report.html`.

    Args:
        folder: Where to.
        heading: Of the page.
        sections: The runs as `describe_similarity` gives them, at least one.
        verdict: What to ship and why.
        warnings: Sentences on the data.
        skipped: Method to the reason why it is missing.
        command: The command line that reproduces all of it.
    """
    rows = similarity_leaderboard([section.result for section in sections])
    ranks = {row.method: rank for rank, row in enumerate(rows)}
    sections = sorted(sections, key=lambda section: ranks[section.result.name])
    first = sections[0].result
    write_page(
        folder,
        "similarity.html",
        title=heading,
        table=[in_words(row) for row in rows],
        verdict=verdict,
        score_name=title(SCORE),
        cost_plot=as_svg(cost_figure(rows, verdict.ship), f"{title(SCORE)} against time per text")
        if len(rows) > 1
        else "",
        sections=sections,
        warnings=warnings,
        skipped=skipped,
        command=command,
        backbones={one.sha256: one for section in sections if (one := section.result.record.backbone)}.values(),
        data=first.record.data,
        rows=len(first.rows),
        run=first.record,
    )


def write_similarity_card(folder: Path, result: SimilarityResult) -> None:
    """Write `README.md`, a model card."""
    record, source = result.record, Path(result.record.data.path)
    summary = similarity_entry(result.method).load().summary
    card = render_card(
        "similarity_card.md",
        run=record,
        command=record.command.replace(str(source), source.name),
        metrics=result.metrics,
        file=source.name,
        what=f"{summary[0].upper()}{summary[1:]}.",
        embeds=method_entry(result.method).needs_backbone,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
