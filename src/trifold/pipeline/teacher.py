"""Compare a model that was trained on labels of a language model (its teacher) with that language model."""

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


class TeacherFacts(TypedDict):
    """Content of the file that `label` writes beside its output.

    Attributes:
        data_sha256: SHA-256 of the labelled file.
        label_column: Column with the language model's labels.
        true_column: Column with true labels, if there is one.
        llm: The language model.
        prompt: The prompt file.
        ms_per_text: Time of the language model per text, in milliseconds.
        money_per_1000: Cost of 1,000 texts, if prices were given.
        failure_rate: Share of the texts for which it gave no label.
    """

    data_sha256: str
    label_column: str
    true_column: str | None
    llm: str
    prompt: str
    ms_per_text: float | None
    money_per_1000: float | None
    failure_rate: float


def teacher_path(data: Path) -> Path:
    """Path of the file that describes the language model which labelled `data`."""
    place = real(data)
    return place.with_name(f"{place.name}.teacher.json")


def find_teacher(request: Request, task: Task) -> dict[str, Any] | None:
    """The teacher's facts, if a language model made the labels that are learned; `None` otherwise.

    A teacher file that cannot be read, or that is of another state of the data, is ignored, which is said.
    """
    path = teacher_path(request.data)
    try:
        # For a name that is too long for the file system, os.path.isfile returns False, where Path.is_file raises.
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
    """Compare teacher and student on the same test rows.

    Args:
        teacher: The teacher's facts, as `find_teacher` returns them.
        request: The data.
        test: The test rows; their labels are the teacher's, unless the test rows are from a file of their own.
        labels: The labels in class order.
        predicted: The student's predictions on `test`.
        metrics: The student's metrics on `test`.

    Returns:
        The comparison for `run.json`: the teacher's costs; `agreement`, the share of test rows with the same label from
        both, with its interval, if the teacher labelled the test rows; and `true_labels`, the share of rows that each
        gets right, if true labels are known.
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
    """The text of each row's true label, by row number; empty if the column cannot be read as labels."""
    try:
        reading = replace(request.reading, label_column=column, label_separator="", merge_labels=False)
        examples = load_examples(request.data, reading).examples
    except TrifoldError:
        return {}
    return {row: plain_text(label) for row, label in zip(examples.rows, examples.labels, strict=True)}
