"""The data of `--task similarity`: pairs of texts with scores, read and split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trifold.artifact.data_record import DataRecord
from trifold.data.columns import Columns
from trifold.data.examples import LoadedData, load_examples
from trifold.data.hub import offline_data
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.scored_pairs import ScoredPairs, ScoredSplit, as_scored, split_pairs
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.pipeline.request import Request, digest_of, file_hashes, reading_record, unchanged


@dataclass(frozen=True)
class SimilarityTask:
    """A request's scored pairs.

    Attributes:
        data: The file as read.
        split: The three parts.
        hashes: As `file_hashes`, of the very bytes that were read.
    """

    data: LoadedData
    split: ScoredSplit
    hashes: Mapping[str, str | None]

    @property
    def columns(self) -> Columns:
        """The columns in use."""
        return self.data.columns

    @property
    def digest(self) -> str:
        """One hash for all the bytes that were read."""
        return digest_of(self.hashes)

    def warnings(self) -> list[str]:
        """Sentences on what should be looked at before training."""
        found, split = [self.data.note] if self.data.note else [], self.split
        if self.data.bad_rows:
            rows, first = counted(len(self.data.bad_rows), "row"), self.data.bad_rows[0]
            found.append(f"{rows} cannot be used and left out, the first in line {first.line:,}: {first.reason}")
        if split.left_training or split.left_validation:
            found.append(
                f"{counted(split.left_training, 'pair')} left the training part and {split.left_validation:,} the "
                "validation part, since they also stand where it is tested"
            )
        return found


def open_similarity_task(request: Request) -> SimilarityTask:
    """Read and split the pairs.

    Raises:
        DataError: If the file or its rows do not make a task.
    """
    reading = _as_numbers(request.reading)
    with offline_data(request.backbone.offline), unchanged(request.files.values()):
        data = load_examples(request.data, reading)
        pairs = as_scored(data.examples, str(data.columns.label))
        test, validation = (_part(path, reading, data) for path in (reading.test_file, reading.validation_file))
        hashes = file_hashes(request)
    return SimilarityTask(data, split_pairs(pairs, test, validation), hashes)


def _as_numbers(reading: DataSettings) -> DataSettings:
    """The settings with labels left whole: a score is no list of labels."""
    return replace(reading, label_separator="")


def _part(path: Path | None, reading: DataSettings, data: LoadedData) -> ScoredPairs | None:
    """The pairs of a file that was given for the test or validation part."""
    if path is None:
        return None
    own = RecordedColumns(str(data.path), data.columns.text, data.columns.label, pair=True)
    loaded = load_examples(path, reading, own)
    if not len(loaded.examples):
        raise DataError(f"{path} has no usable row: give rows with two texts and a score")
    return as_scored(loaded.examples, str(loaded.columns.label))


def similarity_data_record(request: Request, task: SimilarityTask) -> DataRecord:
    """What `run.json` says of the data."""
    reading, split = request.reading, task.split
    test_file, validation_file = (str(path) if path else None for path in (reading.test_file, reading.validation_file))
    return DataRecord(
        path=str(request.data),
        reading=reading_record(reading),
        sha256=str(task.hashes["data_sha256"]),
        test_file=test_file,
        validation_file=validation_file,
        test_file_sha256=task.hashes["test_file_sha256"],
        validation_file_sha256=task.hashes["validation_file_sha256"],
        text_column=task.columns.text,
        label_column=str(task.columns.label),
        rows_in=task.data.rows_in,
        rows_used=len(task.data.examples),
        rows_left_out=len(task.data.bad_rows),
        parts=split.parts,
        left_training=split.left_training,
        left_validation=split.left_validation,
    )
