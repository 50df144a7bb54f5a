"""The verb `evaluate`: a trained model measured on labelled rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import LabelledSettings
from trifold.errors import require
from trifold.events import say
from trifold.inference.settings import require_probability
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings

if TYPE_CHECKING:
    from trifold.pipeline.evaluate import Evaluation
    from trifold.types import BadRow

_MOST_CLASSES = 20
_MOST_BAD_ROWS = 10


def evaluate(
    run: Path,
    data: DataFile,
    /,
    *,
    reading: Annotated[LabelledSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    reject_below: float = 0.0,
    json: bool = False,
) -> None:
    """Measure a trained model on labelled rows, with 95 % intervals, and how well each class is found.

    Texts and labels are read from the columns that the run was trained on.

    Args:
        run: Run folder of finetune or compare, or USER/NAME of one on the hub.
        data: CSV, TSV, JSON or Parquet file with texts and labels, or - for standard input.
        reject_below: Also tell how many texts are answered, and how rightly, when the model declines under this
            probability.
        json: Print metrics.json's content instead.
    """
    from trifold.inference.similarity import is_similarity_run
    from trifold.pipeline.evaluate import evaluate as run_evaluate
    from trifold.pipeline.request import flags_of

    require_probability(reject_below)
    if is_similarity_run(run, offline=compute is not None and compute.offline):
        require(
            not reject_below and llm is None, "--reject-below and language models", "RUN gives scores, leave them out"
        )
        _evaluate_similarity(run, data, reading or LabelledSettings(), compute or ComputeSettings(), json=json)
        return
    found = run_evaluate(run, data, reading or LabelledSettings(), compute or ComputeSettings(), reject_below, llm)
    _say_left_out(found.bad_rows)
    if json:
        print_json(_as_dict(found))
        return
    _print_metrics(found)
    print()
    _print_classes(found)
    if found.answered:
        share, accuracy = found.answered.share, found.answered.accuracy
        rightly = f", {100 * accuracy:.1f} % of them rightly" if accuracy is not None else ""
        print(f"\nDeclining under {reject_below:g}: {100 * share:.1f} % are answered{rightly}")
    if found.exportable:
        say_next("export", run)
    else:
        say_next("predict", run, "FILE.csv", *flags_of(llm or LlmSettings()), "--output", "labelled.csv")


def _say_left_out(rows: "Sequence[BadRow]") -> None:
    for row in rows[:_MOST_BAD_ROWS]:
        say(f"note: line {row.line} is left out: {row.reason}")
    if len(rows) > _MOST_BAD_ROWS:
        say(f"note: and {len(rows) - _MOST_BAD_ROWS:,} more rows are left out")


def _evaluate_similarity(
    run: Path, data: Path, reading: LabelledSettings, compute: ComputeSettings, *, json: bool
) -> None:
    """Measure a run of --task similarity on scored pairs."""
    from trifold.pipeline.similarity_evaluation import evaluate_similarity

    found = evaluate_similarity(run, data, reading, compute)
    _say_left_out(found.bad_rows)
    if json:
        beside = {} if found.learned_from is None else {"learned_from": found.learned_from}
        others = {"others": asdict(found.others)} if found.others else {}
        left = {"truncated": found.truncated, "rows_left_out": len(found.bad_rows)}
        print_json({**asdict(found.metrics), **beside, **others, **left})
        return
    _print_figures(vars(found.metrics), vars(found.others) if found.others else None)
    say_next("predict", run, "PAIRS.csv", "--output", "scored.csv")


def _as_dict(found: "Evaluation") -> dict[str, object]:
    """What `--json` prints."""
    from trifold.evaluate.results import metrics_as_dict

    return {
        **metrics_as_dict(found.metrics, found.labels),
        **({"answered": vars(found.answered)} if found.answered else {}),
        **({} if found.learned_from is None else {"learned_from": found.learned_from}),
        **({"others": metrics_as_dict(found.others, found.labels)} if found.others else {}),
        "truncated": found.truncated,
        "rows_left_out": len(found.bad_rows),
    }


def _print_metrics(found: "Evaluation") -> None:
    renamed = {"accuracy": "exact match"} if found.labels.multi_label else {}
    _print_figures(vars(found.metrics), vars(found.others) if found.others else None, renamed)


def _print_figures(
    metrics: Mapping[str, object], others: Mapping[str, object] | None, renamed: Mapping[str, str] | None = None
) -> None:
    """Print every metric that is one figure, with its interval where it has one; on the rows not seen, too."""
    rows = [{"metric": name, **_figure(name, value)} for name, value in metrics.items() if _is_figure(value)]
    if others:
        for row in rows:
            figure = _figure(row["metric"], others[row["metric"]])
            row |= {"on rows not learned from": figure["value"], "their interval": figure["95 % interval"]}
    print_table([{**row, "metric": (renamed or {}).get(row["metric"], row["metric"])} for row in rows])


def _is_figure(value: object) -> bool:
    return value is not None and not isinstance(value, tuple)


def _figure(name: str, value: Any) -> dict[str, str]:
    """A metric and its interval as text; nothing of what does not apply."""
    low, high = getattr(value, "low", None), getattr(value, "high", None)
    number = getattr(value, "value", value)
    shown = "" if number is None else f"{number:,}" if name == "rows" else f"{number:.4f}"
    return {"value": shown, "95 % interval": "" if low is None else f"{low:.4f} to {high:.4f}"}


def _print_classes(found: "Evaluation") -> None:
    """Print how well each class is found; of many classes, those that are found worst."""
    classes = list(zip(found.labels.names, found.metrics.classes, strict=True))
    if len(classes) > _MOST_CLASSES:
        occurring = [pair for pair in classes if pair[1].support]
        classes = sorted(occurring, key=lambda pair: pair[1].f1)[:_MOST_CLASSES]
        print(f"The {len(classes)} classes with the lowest F1, of {len(found.labels)}; --json has all of them:")
    print_table(
        [
            {
                "class": str(label),
                "precision": f"{one.precision:.4f}",
                "recall": f"{one.recall:.4f}",
                "F1": f"{one.f1:.4f}",
                "support": f"{one.support:,}",
            }
            for label, one in classes
        ]
    )
