"""What `run.json` says of the data that a run learned from."""

from dataclasses import dataclass
from typing import Literal

from trifold.schema import Count, JsonRecord


@dataclass(frozen=True, kw_only=True)
class ReadingRecord(JsonRecord):
    """How a data file was read: the fields of `DataSettings`."""

    text_column: str | None
    encoding: str | None
    header: bool | None = None
    on_bad_rows: Literal["skip", "fail"]
    label_column: str | None
    label_separator: str | None
    merge_labels: bool
    task: Literal["classify", "pairs", "similarity", "generate"] = "classify"
    test_file: str | None
    validation_file: str | None


@dataclass(frozen=True, kw_only=True)
class DataRecord(JsonRecord):
    """The labelled data that a run learned from."""

    path: str
    reading: ReadingRecord
    sha256: str
    test_file: str | None
    validation_file: str | None
    test_file_sha256: str | None
    validation_file_sha256: str | None
    text_column: str
    label_column: str
    rows_in: Count
    rows_used: Count
    rows_left_out: Count
    parts: dict[str, Count]
    left_training: Count
    left_validation: Count
    near_training: Count = 0
    near_validation: Count = 0


@dataclass(frozen=True, kw_only=True)
class AnswersDataRecord(JsonRecord):
    """Prompts and answers that a decoder learned from."""

    path: str
    sha256: str
    parts: dict[str, Count]
    left_training: Count
    left_validation: Count
    truncated: Count
