"""Label a file's rows with a language model, for people to check and for small models to learn from."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from trifold.atomic import write_json
from trifold.data.columns import Columns
from trifold.data.examples import is_missing, open_rows
from trifold.data.label_matching import plain_text
from trifold.data.settings import PairTextSettings, ResultSettings, TextSettings
from trifold.data.table import ResultTable, Table
from trifold.errors import DataError, PromptError, did_you_mean, require
from trifold.hashing import file_sha256
from trifold.inference.answers import ERROR
from trifold.inference.stream import label_rows, require_result, write_labelled
from trifold.llm.asking_labeller import AskingLabeller
from trifold.llm.call_log import IN_LOG
from trifold.llm.cost_estimate import Estimate
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import Labeller
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, labelling_task, open_llm
from trifold.llm.prompt_file import read_prompt
from trifold.llm.prompt_template import Prompt
from trifold.llm.score_rules import label_free_map
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.label_tally import Tally
from trifold.pipeline.teacher import teacher_path
from trifold.statistics.score_calibration import ScoreMap
from trifold.tasks.labels import LabelMap, as_text
from trifold.types import BadRow, Record, Text

_CONFIDENCE = "confidence"
# Rows at the beginning of a file whose texts batch calibration goes by.
_BATCH_ROWS = 256


@dataclass(frozen=True)
class LabelRequest:
    """What `label` was asked for.

    Attributes:
        data: The file.
        reading: How the file is read.
        llm: The language model, and what it may cost.
        prompting: How the model is asked.
        compute: How the model is run, where its weights are on this machine.
        column: Name of the column with the labels that are added.
        true_column: Column with labels that are known, to see how often the model is right.
        result: Where to write.
    """

    data: Path
    reading: TextSettings
    llm: LlmSettings
    prompting: PromptingSettings
    compute: ComputeSettings
    column: str = "label"
    true_column: str | None = None
    result: ResultSettings = field(default_factory=ResultSettings)

    @cached_property
    def prompt(self) -> Prompt:
        """The prompt, read once.

        Raises:
            PromptError: If none is given, or it cannot be used.
        """
        if self.prompting.prompt is None:
            raise PromptError("labelling needs a prompt with its labels: give --prompt FILE, see examples/prompts")
        return read_prompt(self.prompting.prompt)

    @property
    def pairs(self) -> bool:
        """Whether pairs of texts are labelled, as the prompt has a variable for each of two."""
        return sum(variable.default is None for variable in self.prompt.variables.values()) == 2

    def open_rows(self) -> tuple[Table, Columns, Iterator[Record | BadRow]]:
        """The file, read as `open_rows` does."""
        return open_rows(self.data, PairTextSettings(**vars(self.reading)) if self.pairs else self.reading)


def label_file(request: LabelRequest, *, json: bool = False) -> Tally:
    """Write the file's rows with a label, a confidence and an error each; rows keep their order.

    Beside `output`, a second file describes the teacher, for `finetune` to say how far a small model is from it. Rows
    that the budget did not reach say so, and the same command asks for those alone.

    Args:
        request: What to label, and how.
        json: Whether standard output gets JSON lines instead of CSV.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    output = request.result.output
    require_result(request.result, request.data, json=json)
    columns, table = _columns(request)
    labeller, labels = _open(request)
    counting = _Counting(request, labeller, labels)
    rows = label_rows(counting.rows(_rows(request)), columns, counting.label)
    prompt = request.prompting.prompt
    assert prompt is not None
    prompt_sha256 = file_sha256(prompt)

    def describe() -> None:
        assert output is not None
        model = labeller.client.model.name if isinstance(labeller, AskingLabeller) else request.llm.llm
        facts = {
            "llm": model,
            "prompt": str(prompt),
            "prompt_sha256": prompt_sha256,
            "data_sha256": file_sha256(output),
            "label_column": request.column,
            "true_column": request.true_column,
            **counting.tally.described(request.llm),
        }
        write_json(teacher_path(output), facts)

    # Described while the output is this process's alone, so that both files are of one labelling.
    write_labelled(rows, table, request.result, json=json, then=describe, kept=IN_LOG)
    return counting.tally


def expect(request: LabelRequest) -> Estimate:
    """What `label_file` would cost.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    columns, _ = _columns(request)
    labeller, _ = _open(request)
    return labeller.expect(_texts(_rows(request), columns))


def _columns(request: LabelRequest) -> tuple[Columns, ResultTable]:
    """The columns in use, and those of the result."""
    require(
        request.column not in (_CONFIDENCE, ERROR),
        f"--label-as {request.column}",
        "labelling adds a column of that name for something else, so give another",
    )
    table, columns, _ = request.open_rows()
    table.tell()
    if request.column in table.columns:
        raise DataError(
            f"{request.data} already has a column {request.column!r}, which labelling would add: "
            f"name another --label-as than {request.column}"
        )
    result = ResultTable(table, {request.column: str, _CONFIDENCE: float, ERROR: str})
    result.require_new("labelling")
    columns.tell()
    if request.true_column and request.true_column not in table.columns:
        guess, known = did_you_mean(request.true_column, table.columns), ", ".join(table.columns)
        raise DataError(f"there is no column {request.true_column!r}{guess} for --true-column: the file has {known}")
    return columns, result


def _rows(request: LabelRequest) -> Iterator[Record | BadRow]:
    return request.open_rows()[2]


def _open(request: LabelRequest) -> tuple[Labeller, LabelMap]:
    """The model with its task, and the labels in the order of its words."""
    asked, llm = request.prompting, request.llm
    prompt = request.prompt
    labels = LabelMap(tuple(prompt.output.labels), prompt.output.several)
    if not labels.names:
        raise PromptError(f'{asked.prompt} names no labels: write labels = ["…", "…"] under [output]')
    prompt, words = word_labels(prompt, labels, {}, pairs=request.pairs)
    require(
        asked.calibration != "affine",
        "--calibration affine with label",
        "it is learned from labels; take contextual or batch, or train with finetune --method prompt",
    )
    require(
        asked.score_by != "auto",
        "--score-by auto with label",
        "it is chosen by labels; take words or letters, or train with finetune --method prompt",
    )
    model = open_llm(llm, request.compute)
    labeller = labeller_of(model, labelling_task(model, prompt, words, asked, pairs=request.pairs), llm, asked)
    if isinstance(labeller, LikelihoodLabeller):
        labeller.score_map = _score_map(request, labeller)
    return labeller, labels


def _score_map(request: LabelRequest, labeller: LikelihoodLabeller) -> ScoreMap:
    """From scores to logits, by a rule that needs no label."""

    def scores() -> np.ndarray:
        _, columns, rows = request.open_rows()
        found = labeller.scores(_texts(islice(rows, _BATCH_ROWS), columns), labeller.orders)
        scored = np.delete(found.logits, list(found.problems), axis=0)
        if not len(scored):
            raise DataError(
                f"none of the first {_BATCH_ROWS} rows of {request.data} can be read: give --calibration contextual"
            )
        return scored

    asked = request.prompting.calibration
    return label_free_map("contextual" if asked == "auto" else asked, labeller, scores)


class _Counting:
    """A language model as a `RowLabeller`, which counts how it went.

    Args:
        request: What was asked for.
        labeller: The model with its task.
        labels: In the order of its words.
    """

    def __init__(self, request: LabelRequest, labeller: Labeller, labels: LabelMap) -> None:
        self.tally = Tally()
        self._column, self._true_column = request.column, request.true_column
        self._labeller, self._labels = labeller, labels

    def rows(self, rows: Iterable[Record | BadRow]) -> Iterator[Record | BadRow]:
        """The rows as they come, counted."""
        for row in rows:
            self.tally.rows += 1
            self.tally.unusable += isinstance(row, BadRow)
            yield row

    def label(self, rows: Sequence[Record], texts: Sequence[Text]) -> Iterator[dict[str, object]]:
        """See `RowLabeller`."""
        tally = self.tally
        begun = time.perf_counter()
        found = self._labeller.judge(self._labeller.task.readable(texts))
        tally.seconds += time.perf_counter() - begun + found.seconds_from_log
        tally.spent = self._labeller.spent
        tally.truncated += int(found.truncated.sum())
        probabilities = self._labels.probabilities(found.logits)
        for place, row in enumerate(rows):
            problem = found.problems.get(place)
            if problem:
                self._count_problem(problem, unasked=place in found.unasked)
                yield {ERROR: problem}
                continue
            row_of_one = probabilities[place : place + 1]
            decided = self._labels.decide(row_of_one)
            (target,) = self._labels.decode(decided)
            label = as_text(target) if self._labels.multi_label else target
            tally.labelled += 1
            if self._true_column:
                self._compare(label, row.values[self._true_column])
            confidence = float(self._labels.confidence(row_of_one, decided)[0])
            yield {self._column: label, _CONFIDENCE: confidence}

    def _count_problem(self, problem: str, *, unasked: bool) -> None:
        if unasked:
            self.tally.unasked += 1
            self.tally.stopped_by = problem
        else:
            self.tally.failed += 1

    def _compare(self, label: object, truth: object) -> None:
        known = not is_missing(truth)
        self.tally.known += known
        self.tally.unknown += not known
        self.tally.agreeing += known and _as_words(truth) == _as_words(label)


def _texts(rows: Iterable[Record | BadRow], columns: Columns) -> list[Text]:
    return [columns.usable_text(row.values) for row in rows if isinstance(row, Record)]


def _as_words(label: object) -> str:
    """A label as text, whichever type it has and whatever spaces are around it."""
    return plain_text(label.strip() if isinstance(label, str) else label)
