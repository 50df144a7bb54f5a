"""What was asked for, as one value that can be turned back into the command line."""

import hashlib
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trifold.artifact.data_record import DataRecord, ReadingRecord
from trifold.data.check import DataSummary, summarise_data
from trifold.data.examples import LoadedData, adopt_labels, as_multi_label, load_examples
from trifold.data.hub import local_file, offline_data
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.scored_pairs import ScoredSplit
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError, require
from trifold.events import say
from trifold.hashing import file_sha256
from trifold.llm.settings import LlmSettings, without_server
from trifold.methods.settings import TrainingSettings
from trifold.methods.unused_settings import only_used, require_used
from trifold.models.settings import BackboneSettings
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Split


@dataclass(frozen=True)
class Request(TrainingSettings):
    """A data file and every setting that has a say in what is learned from it.

    Attributes:
        data: The file.
    """

    data: Path

    def require_used(self, methods: Collection[str], *more: Any) -> None:
        """Refuse settings, and fields of `more`, that none of the methods uses.

        Raises:
            SettingsError: If there is one.
        """
        require_used(methods, *self.method_groups.values(), *more)

    def for_method(self, method: str) -> "Request":
        """The request with every setting that the method does not use at its default."""
        return replace(self, **{name: only_used(group, method) for name, group in self.method_groups.items()})

    def named(self) -> dict[str, object]:
        """Every setting by its name."""
        return {"data": str(self.data), **vars(self.reading), **super().named()}

    @property
    def files(self) -> dict[str, Path | None]:
        """The files with rows, by the name of their setting; `None` where one is not given."""
        reading = self.reading
        return {"data": self.data, "test_file": reading.test_file, "validation_file": reading.validation_file}

    def flags(self) -> list[str]:
        """Every setting that differs from its default, as the command line spells it."""
        return [flag for group in (self.reading, *self.method_groups.values()) for flag in flags_of(group)]

    def command(self, verb: str, *more: str) -> str:
        """The command line that makes the same request, but for server and key, which no run names."""
        told = replace(self.llm, llm=without_server(self.llm.llm), api_key_env=LlmSettings.api_key_env)
        return shlex.join(["trifold", verb, as_argument(self.data), *more, *replace(self, llm=told).flags()])


def models_of(backbone: BackboneSettings) -> list[str]:
    """The backbones that `--model` names: one, or several with commas between, unless a folder is called so.

    Raises:
        SettingsError: If a name between commas is missing.
    """
    given = backbone.model
    if "," not in given or os.path.exists(given):
        return [given]
    names = [name.strip() for name in given.split(",")]
    require(all(names), f"--model {given!r}", "write the names with single commas between")
    return names


def require_one_model(request: Request) -> None:
    """Refuse several backbones, for what takes one.

    Raises:
        SettingsError: If there are several.
    """
    models = models_of(request.backbone)
    require(len(models) == 1, f"--model {','.join(models)}", "name one; compare tries several")


def with_model(request: Request, model: str) -> Request:
    """The request with another backbone."""
    return replace(request, backbone=replace(request.backbone, model=model))


@dataclass(frozen=True)
class ReadData:
    """A request's data, read.

    Attributes:
        data: The file as read.
        hashes: As `file_hashes`, of the very bytes that were read.
    """

    data: LoadedData
    hashes: Mapping[str, str | None]

    @property
    def digest(self) -> str:
        """One hash for all the bytes that were read."""
        return hashlib.sha256(repr(sorted(self.hashes.items())).encode()).hexdigest()

    def require(self, digest: str | None) -> None:
        """Refuse data that are not those of a digest, where one is given: what a comparison has read.

        Raises:
            DataError: If they are others.
        """
        if digest not in (None, self.digest):
            raise DataError(
                f"{self.data.path} is not what the comparison read: it was changed since; run compare again"
            )


@dataclass(frozen=True)
class Task(ReadData):
    """A request's data, read and split.

    Attributes:
        split: The three parts.
        facts: What the report says of it.
    """

    split: Split
    facts: DataSummary

    @cached_property
    def labels(self) -> LabelMap:
        """Every label of the task."""
        return LabelMap.of(self.data.examples.labels)


def open_task(request: Request) -> Task:
    """Read and split the data.

    Raises:
        DataError: If the file or its rows do not make a task.
        SettingsError: If the task gives no labels, or a threshold is given and each row has one label.
    """
    reading = request.reading
    require(reading.task != "generate", "--task generate", "it is for finetune alone, whose answers are words")
    require(reading.task != "similarity", "--task similarity", "it is for finetune and compare, which learn scores")
    with offline_data(request.backbone.offline), unchanged(request.files.values()):
        data = load_examples(request.data, reading)
        test, validation = (_part(path, reading, data) for path in (reading.test_file, reading.validation_file))
        hashes = file_hashes(request)
    if any(part is not None and part.multi_label for part in (data.examples, test, validation)):
        # One file's rows may all happen to have one label.
        data = replace(data, examples=as_multi_label(data.examples))
        test, validation = (part and as_multi_label(part) for part in (test, validation))
    request.labels.require_used(several_labels=data.examples.multi_label)
    split = split_examples(data.examples, test, validation)
    return Task(data, hashes, split, summarise_data(data, split))


def file_hashes(request: Request) -> dict[str, str | None]:
    """SHA-256 of the data file, and of those with the test and validation rows; `None` where none is given.

    Raises:
        DataError: If one cannot be read.
    """
    try:
        with offline_data(request.backbone.offline):
            files = {name: path and local_file(path) for name, path in request.files.items()}
        return {f"{name}_sha256": file_sha256(path) if path else None for name, path in files.items()}
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}): name a file that is there") from None


@contextmanager
def unchanged(paths: Iterable[Path | None]) -> Iterator[None]:
    """Inside, files are read and hashed; the hashes are of what was read, or none are taken.

    Raises:
        DataError: If one is changed or exchanged meanwhile.
    """
    before = [(path, _state_of(path)) for path in paths if path]
    yield
    for path, state in before:
        if _state_of(path) != state:
            raise DataError(f"{path} was changed while it was being read: run the command again")


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What tells whether a file was changed or exchanged since it was looked at; `None` where it is not there."""
    try:
        state = local_file(path).stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _part(path: Path | None, reading: DataSettings, data: LoadedData) -> Examples | None:
    """Rows of a file that was given for the test or validation part."""
    if path is None:
        return None
    columns = data.columns
    own = RecordedColumns(str(data.path), columns.text, columns.label, pair=columns.pair)
    loaded = load_examples(path, reading, own)
    part = loaded.examples
    if loaded.note:
        say(f"note: {loaded.note}")
    if not len(part):
        raise DataError(f"{path} has no usable row: give rows with a text and a label")
    return adopt_labels(part, data.examples.label_counts(), merge=reading.merge_labels)


def reading_record(reading: DataSettings) -> ReadingRecord:
    """What `run.json` says of how the data were read."""
    files = {name: str(path) if (path := getattr(reading, name)) else None for name in ("test_file", "validation_file")}
    return ReadingRecord(**{**vars(reading), **files})


def data_record(request: Request, read: ReadData, split: Split | ScoredSplit) -> DataRecord:
    """What `run.json` says of the data and their parts."""
    reading, data = request.reading, read.data
    test_file, validation_file = (str(path) if path else None for path in (reading.test_file, reading.validation_file))
    return DataRecord(
        path=str(request.data),
        reading=reading_record(reading),
        sha256=str(read.hashes["data_sha256"]),
        test_file=test_file,
        validation_file=validation_file,
        test_file_sha256=read.hashes["test_file_sha256"],
        validation_file_sha256=read.hashes["validation_file_sha256"],
        text_column=data.columns.text,
        label_column=str(data.columns.label),
        rows_in=data.rows_in,
        rows_used=len(data.examples),
        rows_left_out=len(data.bad_rows),
        parts=split.parts,
        left_training=split.left_training,
        left_validation=split.left_validation,
        near_training=split.near_training,
        near_validation=split.near_validation,
    )


def flags_of(settings: Any) -> Iterator[str]:
    """The fields of a settings dataclass that differ from their defaults, as the command line spells them."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if value == item.default:
            continue
        name = f"--{item.name.replace('_', '-')}"
        if isinstance(value, bool):
            yield name if value else f"--no-{name.removeprefix('--')}"
            continue
        for one in map(str, value if isinstance(value, tuple) else (value,)):
            # A value that looks like a flag has to be one word with its own.
            yield from (f"{name}={one}",) if one.startswith("-") else (name, one)


def as_argument(path: Path) -> str:
    """A path as the command line takes it for no flag; `-` alone is standard input."""
    name = str(path)
    return f"./{name}" if name.startswith("-") and name != "-" else name
