"""The commands that jobs run, and how they are shown to whoever would rather type them."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from trifold.app.record import JobRecord, Kind
from trifold.data.settings import DataSettings, ResultSettings, RunTextSettings, TextSettings
from trifold.errors import DataError
from trifold.evaluate.settings import CompareSettings
from trifold.llm.settings import LlmSettings
from trifold.pipeline.request import flags_of
from trifold.web.names import written_suffix

_FILE_PLACE = 2
# By which a command is told where its results go.
RESULT_FLAGS: Mapping[Kind, str] = {
    "compare": "--output-dir",
    "label": "--output",
    "index": "--index",
    "summarize": "--output",
    "similar": "--output",
    "prompt": "--output",
}
# What is done with texts that need no labels: the command, what its file is called, and flags.
DOCUMENTS: Mapping[Kind, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "index": (("search", "build"), "", ()),
    "summarize": (("summarize",), "summaries", ()),
    "similar": (("similar",), "similar", ("--top-k", "3")),
}


def check_job(file: str, path: Path, reading: DataSettings) -> JobRecord:
    """`trifold check` of a file."""
    return _job("check", file, path, ["check", str(path), *flags_of(reading)])


def forecast_job(file: str, path: Path, reading: Sequence[str]) -> JobRecord:
    """What a comparison would take; `reading` are the flags of the check."""
    return _job("forecast", file, path, ["compare", str(path), "--dry-run", *reading])


def compare_job(file: str, path: Path, reading: Sequence[str], settings: CompareSettings) -> JobRecord:
    """A comparison; its folder is named by `--output-dir`."""
    return _job("compare", file, path, ["compare", str(path), *reading, *flags_of(settings)])


def label_job(
    file: str, path: Path, run: Path, based_on: str, *, excel_safe: bool, text_column: str | None = None
) -> JobRecord:
    """A file whose rows get labels; the result is named by `--output`.

    Raises:
        DataError: If the result would have no cells to guard.
    """
    result = "labelled" + written_suffix(path.name, excel_safe=excel_safe)
    flags = (*flags_of(RunTextSettings(text_column=text_column)), *flags_of(ResultSettings(excel_safe=excel_safe)))
    return _job("label", file, path, ["predict", str(run), str(path), *flags], based_on=based_on, result=result)


def document_job(kind: Kind, file: str, path: Path, text_column: str | None = None) -> JobRecord:
    """What is done with a file of texts without labels.

    Raises:
        DataError: If the kind is of another sort.
    """
    if kind not in DOCUMENTS:
        raise DataError("there is no such thing to do with a file: go back and choose one")
    verb, name, flags = DOCUMENTS[kind]
    result = name and name + written_suffix(path.name, excel_safe=False)
    reading = flags_of(TextSettings(text_column=text_column))
    return _job(kind, file, path, [*verb, str(path), *flags, *reading], result=result)


def prompt_job(file: str, path: Path, prompt: Path, number: str, llm: LlmSettings) -> JobRecord:
    """A prompt that is sent for the rows of a file."""
    result = "answers" + written_suffix(path.name, excel_safe=False)
    words = ["prompt", "run", str(prompt), "--file", str(path), *flags_of(llm)]
    return _job("prompt", file, path, words, based_on=number, result=result)


def language_model(record: JobRecord) -> list[str]:
    """The language model that a prompt was sent to."""
    return [after for word, after in pairwise(record.words) if word == "--llm"]


def again(record: JobRecord, path: Path, text_column: str) -> JobRecord:
    """A job once more, with the texts from another column."""
    if record.kind == "label":
        run, guarded = Path(record.words[1]), "--excel-safe" in record.words
        return label_job(record.file, path, run, record.based_on, excel_safe=guarded, text_column=text_column)
    return document_job(record.kind, record.file, path, text_column)


def reading_flags(record: JobRecord) -> list[str]:
    """How the file of a check or a forecast is read, as flags."""
    return [word for word in record.words[_FILE_PLACE:] if word != "--dry-run"]


def shown(record: JobRecord) -> str:
    """The command of a job as one would type it where the app was started."""
    return typed(record.words)


def typed(words: Sequence[str]) -> str:
    """A command as one would type it where the app was started."""
    here = f"{os.getcwd()}{os.sep}"
    return shlex.join(["trifold", *(word.removeprefix(here) for word in words)])


def _job(kind: Kind, file: str, path: Path, words: list[str], *, based_on: str = "", result: str = "") -> JobRecord:
    return JobRecord(
        kind=kind,
        words=words,
        file=file,
        name=path.name,
        created=time.time(),
        based_on=based_on,
        result=result,
    )
