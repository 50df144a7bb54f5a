"""A small model that learned from a language model's labels: how far it is from its teacher, and what each costs."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

import numpy as np

from trifold.data.examples import load_examples
from trifold.data.label_matching import plain_text
from trifold.errors import ArtifactError, TrifoldError
from trifold.events import say
from trifold.file_lock import real
from trifold.llm.settings import without_server
from trifold.pipeline.request import Request, Task
from trifold.schema import read_facts
from trifold.statistics.metrics import Metrics
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

_FACTS = (
    *("data_sha256", "label_column", "true_column", "llm", "prompt"),
    *("ms_per_text", "money_per_1000", "failure_rate"),
)


class TeacherFacts(TypedDict):
    """What `label` says of who labelled a file."""

    data_sha256: str
    label_column: str
    true_column: str | None
    llm: str
    prompt: str
    ms_per_text: float | None
    money_per_1000: float | None
    failure_rate: float


def teacher_path(data: Path) -> Path:
    """Where `label` describes who labelled a file."""
    place = real(data)
    return place.with_name(f"{place.name}.teacher.json")


def find_teacher(request: Request, task: Task) -> dict[str, Any] | None:
    """Who labelled the data, if a language model did and its labels are those that are learned."""
    path = teacher_path(request.data)
    try:
        # A name that is too long for a file system is no file to os.path alone.
        if not os.path.isfile(path):
            return None
        found = read_facts(path, TeacherFacts)
        unchanged = found["data_sha256"] == task.hashes["data_sha256"]
        learned = found["label_column"] == task.facts.label_column
        for name in get_type_hints(TeacherFacts):
            found[name]
    except (OSError, ArtifactError) as error:
        say(f"note: nothing is said of the labels' teacher: {error}")
        return None
    if not unchanged:
        say(f"note: {request.data} was changed since a language model labelled it; nothing is said of its teacher")
    return found if learned and unchanged else None


def compare_with_teacher(
    teacher: dict[str, Any], request: Request, test: Examples, labels: LabelMap, predicted: np.ndarray, metrics: Metrics
) -> dict[str, object]:
    """Teacher and student on the same test rows.

    Args:
        teacher: As `label` described it.
        request: The data.
        test: With the teacher's labels, unless they are from a file of their own.
        labels: Class order.
        predicted: By the student.
        metrics: Of the student on `test`.

    Returns:
        For `run.json`: `agreement` with the teacher, an interval, where the teacher labelled the test rows;
        `true_labels` with the share of rows that each gets right, where true labels are known; and costs.
    """
    found: dict[str, object] = {
        "llm": without_server(teacher["llm"]),
        "prompt": teacher["prompt"],
        "teacher_ms_per_text": teacher["ms_per_text"],
        "teacher_money_per_1000": teacher["money_per_1000"],
        "teacher_failure_rate": teacher["failure_rate"],
    }
    if request.reading.test_file is not None:
        return found
    found["agreement"] = vars(metrics.accuracy)
    if teacher["true_column"]:
        truth = _truth(request, teacher["true_column"])
        rows = [place for place, row in enumerate(test.rows) if row in truth]
        student = labels.decode(predicted)
        if rows:
            found["true_labels"] = {
                "rows": len(rows),
                "teacher": float(
                    np.mean([plain_text(test.labels[place]) == truth[test.rows[place]] for place in rows])
                ),
                "student": float(np.mean([plain_text(student[place]) == truth[test.rows[place]] for place in rows])),
            }
    return found


def _truth(request: Request, column: str) -> dict[int, str]:
    """Row to what its true label says."""
    try:
        reading = replace(request.reading, label_column=column, label_separator="", merge_labels=False)
        examples = load_examples(request.data, reading).examples
    except TrifoldError:
        return {}
    return {row: plain_text(label) for row, label in zip(examples.rows, examples.labels, strict=True)}
