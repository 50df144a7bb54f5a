"""`report.html` of a pretraining: one file without any outside part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trifold.artifact.run_record import PretrainRecord
from trifold.evaluate.html_page import write_page
from trifold.evaluate.plot_style import as_svg
from trifold.evaluate.plots import curves_figure, kept_epoch
from trifold.evaluate.results import read_csv
from trifold.formatting import percent
from trifold.train.history import HISTORY

_LABELS = {
    "loss": "loss, nats a token",
    "unigram_loss": "loss of word frequencies",
    "perplexity": "perplexity",
    "pseudo_perplexity": "pseudo-perplexity",
    "bits_per_byte": "bits per byte",
    "pseudo_bits_per_byte": "pseudo bits per byte",
}


def write_pretraining_report(folder: Path, metrics: Mapping[str, Any], record: PretrainRecord) -> None:
    """Write `report.html` into a run folder that holds its `history.csv`.

    Args:
        folder: Of the run.
        metrics: Content of `metrics.json`.
        record: Content of `run.json`.
    """
    history = list(read_csv(folder / HISTORY))
    sources = ", ".join(Path(path).name for path in record.data["path"].split(", "))
    write_page(
        folder,
        "pretraining.html",
        title=f"{'Masked' if record.objective == 'mlm' else 'Next'} words of {sources}",
        figures=figures_in_words(metrics),
        curves=as_svg(curves_figure(history), "Loss over the epochs"),
        kept_epoch=kept_epoch(history),
        choices={name.replace("_", " "): value for name, value in record.choices.items()},
        run=record,
    )


def figures_in_words(metrics: Mapping[str, Any]) -> dict[str, str]:
    """What a person reads of `metrics.json`."""
    found = {label: f"{metrics[name]:.4g}" for name, label in _LABELS.items() if name in metrics}
    asked = "hidden" if metrics["objective"] == "mlm" else "next"
    found[f"{asked} tokens named first"] = percent(metrics["accuracy"])
    if "unknown_share" in metrics:
        found["unknown tokens"] = f"{100 * metrics['unknown_share']:.3f} %"
    return found
