"""Label a file's rows with a language model, for people to check and for small models to learn from."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from trifold.artifact.run_folder import new_file, require_other_file, write_json
from trifold.data.columns import Columns
from trifold.data.csv_file import write_rows
from trifold.data.examples import is_missing, open_rows
from trifold.data.label_text import plain_text
from trifold.data.settings import TextSettings
from trifold.errors import DataError, PromptError
from trifold.events import say
from trifold.file_hash import file_sha256
from trifold.llm.cost_estimate import Estimate
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import Labeller, LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.prompt_file import read_prompt
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.llm.spending_limit import Spent
from trifold.models.settings import ComputeSettings
from trifold.pipeline.teacher import teacher_path
from trifold.tasks.labels import LabelMap
from trifold.terminal import for_terminal
from trifold.types import BadRow, Record

_ROWS_PER_SLICE = 1_024


@dataclass(frozen=True)
class LabelRequest:
    """What `label` was asked for.

    Attributes:
        data: The file.
        reading: How it is read.
        llm: Who labels, and what it may cost.
        prompting: How it is asked.
        compute: How it is run, where its weights are here.
        column: Name of the column with the labels that are added.
        true_column: Column with labels that are known, to see how often the model is right.
        excel_safe: As in `write_rows`.
    """

    data: Path
    reading: TextSettings
    llm: LlmSettings
    prompting: PromptingSettings
    compute: ComputeSettings
    column: str = "label"
    true_column: str | None = None
    excel_safe: bool = False


@dataclass
class Tally:
    """How labelling went; counted while rows stream by.

    Attributes:
        rows: Of the file.
        labelled: That got a label.
        failed: That the model was asked about in vain.
        unasked: That the budget left out.
        unusable: That have no text.
        agreeing: Of those with a known label, that got it.
        known: Labelled rows whose true label is known.
        unknown: Labelled rows whose true label is not known.
        seconds: Taken, now or when the answers in the log were made.
        spent: On the model.
    """

    rows: int = 0
    labelled: int = 0
    failed: int = 0
    unasked: int = 0
    unusable: int = 0
    agreeing: int = 0
    known: int = 0
    unknown: int = 0
    seconds: float = 0.0
    spent: Spent = field(default_factory=Spent)
    stopped_by: str = ""

    def described(self, llm: LlmSettings) -> dict[str, object]:
        """For JSON: the counts, and what a row costs."""
        money, asked = self.spent.money(llm.prices), max(1, self.labelled + self.failed)
        return {
            **{name: getattr(self, name) for name in ("rows", "labelled", "failed", "unasked", "unusable")},
            "failure_rate": round(self.failed / asked, 6),
            "true_labels": {"rows": self.known, "right": self.agreeing, "unknown": self.unknown},
            "calls": self.spent.calls,
            "from_log": self.spent.from_log,
            "prompt_tokens": self.spent.prompt_tokens,
            "answer_tokens": self.spent.answer_tokens,
            "ms_per_text": round(1000 * self.seconds / asked, 4),
            "money_per_1000": None if money is None else round(1000 * money / asked, 9),
        }


def label_file(request: LabelRequest, output: Path | None) -> Tally:
    """Write the file's rows with a label, a confidence and an error each; rows keep their order.

    Beside `output` its teacher is described, for `finetune` to say how far a small model is from it. Where the budget
    ends, the rows that are left say so, and running again asks for them alone.

    Args:
        request: What to label, and how.
        output: Where to; standard output where `None`.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    require_other_file(output, request.data)
    columns, fields = _columns(request)
    labeller, labels = _open(request)
    tally = Tally()
    rows = _labelled(request, columns, labeller, labels, tally)
    if output is None:
        write_rows(for_terminal(sys.stdout), fields, rows, excel_safe=request.excel_safe)
        return tally
    prompt = request.prompting.prompt
    assert prompt is not None
    prompt_sha256 = file_sha256(prompt)

    def describe() -> None:
        facts = {
            "llm": labeller.client.model.name if isinstance(labeller, GenerationLabeller) else request.llm.llm,
            "prompt": str(prompt),
            "prompt_sha256": prompt_sha256,
            "data_sha256": file_sha256(output),
            "label_column": request.column,
            "true_column": request.true_column,
            **tally.described(request.llm),
        }
        write_json(teacher_path(output), facts)

    # Described while the output is this process's alone, so that both are of one labelling.
    with new_file(output, describe) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, fields, rows, excel_safe=request.excel_safe)
    return tally


def expect(request: LabelRequest) -> Estimate:
    """What `label_file` would cost.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    columns, _ = _columns(request)
    labeller, _ = _open(request)
    return labeller.expect(_texts(_rows(request), columns))


def _columns(request: LabelRequest) -> tuple[Columns, list[str]]:
    """The columns in use, and those of the result."""
    table, columns, _ = open_rows(request.data, request.reading)
    added = [request.column, "confidence", "error"]
    for name in added:
        if name in table.columns:
            way_out = f"name another --label-as than {name}" if name == request.column else "rename it"
            raise DataError(f"{request.data} already has a column {name!r}, which labelling would add: {way_out}")
    if columns.guessed:
        say(f"note: texts are read from column {columns.text!r}; --text-column overrides")
    if request.true_column and request.true_column not in table.columns:
        known = ", ".join(table.columns)
        raise DataError(f"there is no column {request.true_column!r} for --true-column: the file has {known}")
    return columns, [*table.columns, *added]


def _rows(request: LabelRequest) -> Iterator[Record | BadRow]:
    return open_rows(request.data, request.reading)[2]


def _open(request: LabelRequest) -> tuple[Labeller, LabelMap]:
    """The model with its task, and the labels in the order of its words."""
    asked, llm = request.prompting, request.llm
    if asked.prompt is None:
        raise PromptError("labelling needs a prompt with its labels: give --prompt FILE, see examples/prompts")
    prompt = read_prompt(asked.prompt)
    labels = LabelMap(tuple(prompt.output.labels))
    if not labels.names:
        raise PromptError(f'{asked.prompt} names no labels: write labels = ["…", "…"] under [output]')
    prompt, words = word_labels(prompt, labels, {})
    task = LabellingTask(prompt, words, asked.cloze)
    labeller = labeller_of(open_llm(llm, request.compute), task, llm, asked.votes)
    if not isinstance(labeller, LikelihoodLabeller):
        if asked.votes == 1:
            say("note: a server's single answer says little of how sure it is: --votes 5 makes confidences of it")
    elif asked.calibrate:
        labeller.calibrate()
    return labeller, labels


def _labelled(
    request: LabelRequest, columns: Columns, labeller: Labeller, labels: LabelMap, tally: Tally
) -> Iterator[dict[str, object]]:
    """Each row with what is added, slice by slice."""
    stream = _rows(request)
    while slice_ := list(islice(stream, _ROWS_PER_SLICE)):
        texts = _texts(slice_, columns)
        begun = time.perf_counter()
        found = labeller.judge(texts)
        tally.seconds += time.perf_counter() - begun + found.seconds_from_log
        probabilities = labels.probabilities(found.logits)
        place = 0
        for row in slice_:
            tally.rows += 1
            if isinstance(row, BadRow):
                tally.unusable += 1
                yield {**row.values, request.column: "", "confidence": "", "error": f"line {row.line}: {row.reason}"}
                continue
            problem = found.problems.get(place)
            if problem:
                tally.unasked += place in found.unasked
                tally.failed += place not in found.unasked
                tally.stopped_by = problem if place in found.unasked else tally.stopped_by
                yield {**row.values, request.column: "", "confidence": "", "error": problem}
            else:
                number = int(probabilities[place].argmax())
                tally.labelled += 1
                if request.true_column:
                    truth = row.values[request.true_column]
                    known = not is_missing(truth)
                    tally.known += known
                    tally.unknown += not known
                    tally.agreeing += known and _says(truth) == _says(labels.names[number])
                sure = f"{probabilities[place, number]:.6f}"
                yield {**row.values, request.column: labels.names[number], "confidence": sure, "error": ""}
            place += 1
        tally.spent = labeller.spent


def _texts(rows: Iterable[Record | BadRow], columns: Columns) -> list[str]:
    return [str(columns.text_of(row.values)) for row in rows if isinstance(row, Record)]


def _says(label: object) -> str:
    """What a label says, whichever type it has and whatever spaces are around it."""
    return plain_text(label.strip() if isinstance(label, str) else label)
