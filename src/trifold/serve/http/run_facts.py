"""What is told of a run: for programs, and in words."""

from pathlib import PurePath
from typing import Any

from trifold.formatting import counted, interval, megabytes, percent
from trifold.serve.served_run import ServedRun


def run_info(run: ServedRun) -> dict[str, Any]:
    """What a program may want to know of a run."""
    record, data = run.record, run.record.get("data")
    return {
        "name": run.name,
        "version": run.version,
        "method": record.method,
        "backbone": run.backbone,
        "labels": list(run.labels),
        "multi_label": run.multi_label,
        "thresholds": dict(zip(run.labels, run.thresholds, strict=True)) if run.thresholds else None,
        "reads_pairs": run.reads_pairs,
        "max_length": run.max_length,
        "long_text": record.settings.get("long_text", "truncate"),
        "asks_llm": run.asks_llm,
        "shares_with": list(run.shares_with),
        "trained": record.started,
        "data_sha256": data.get("sha256") if data else None,
        "size_bytes": record.get("size_bytes"),
        "metrics": run.metrics,
    }


def in_words(run: ServedRun) -> dict[str, str]:
    """The facts that a person may want to know, by what they are called."""
    record, measured = run.record, run.metrics or {}
    facts = {"method": record.method}
    if run.backbone:
        facts["backbone"] = run.backbone
    accuracy = measured.get("accuracy")
    if accuracy and {"value", "low", "high"} <= accuracy.keys():
        span = interval(accuracy["low"], accuracy["high"])
        rows = f" on {counted(measured['rows'], 'test row')}" if measured.get("rows") else ""
        what = "accuracy, all labels of a text right" if run.multi_label else "accuracy"
        facts[what] = f"{percent(accuracy['value'])} (95 % interval {span}){rows}"
    facts["labels"] = f"{len(run.labels)}, any number a text" if run.multi_label else str(len(run.labels))
    if run.max_length and record.get("max_length"):
        facts["reads"] = f"{record.reach} of a text; longer ones are cut"
    data, size = record.get("data"), record.get("size_bytes")
    # The file's name and not its path, which is nobody's business.
    facts["trained"] = record.started[:10] + (f", on {PurePath(data.path).name}" if data and data.get("path") else "")
    if size:
        facts["size"] = megabytes(size)
    facts["version"] = run.version
    return facts
