"""The data of `--task similarity`: pairs of texts with scores, read and split."""

from dataclasses import dataclass, replace
from pathlib import Path

from trifold.data.examples import LoadedData, load_examples
from trifold.data.hub import offline_data
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.scored_pairs import ScoredPairs, ScoredSplit, as_scored, split_pairs
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.pipeline.request import ReadData, Request, file_hashes, unchanged


@dataclass(frozen=True)
class SimilarityTask(ReadData):
    """A request's scored pairs.

    Attributes:
        split: The three parts.
    """

    split: ScoredSplit

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
    return SimilarityTask(data, hashes, split_pairs(pairs, test, validation))


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
