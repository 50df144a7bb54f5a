"""How a data file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How a file of texts is read.

    Attributes:
        text_column: Column that holds the texts, or several with commas between; guessed and said where not given.
        encoding: Encoding of a CSV or of JSON; found out where not given.
        header: Whether the first row of a CSV names the columns; found out where not given, and said where in doubt.
        on_bad_rows: Report rows that cannot be used and go on without them, or stop at the first.
    """

    text_column: str | None = None
    encoding: str | None = None
    header: bool | None = None
    on_bad_rows: Literal["skip", "fail"] = "skip"


@dataclass(frozen=True, kw_only=True)
class LabelledSettings(TextSettings):
    """How a file of texts and labels is read.

    Attributes:
        label_column: Column that holds the labels; guessed and said where not given.
        label_separator: What stands between the labels of a row that has several, | where not given; "" keeps labels
            whole.
        merge_labels: Treat labels that differ only in case, spaces, unseen characters or Unicode form as one, under
            the commonest spelling.
    """

    label_column: str | None = None
    label_separator: str | None = None
    merge_labels: bool = False


@dataclass(frozen=True, kw_only=True)
class DataSettings(LabelledSettings):
    """How a data file is read and split.

    Attributes:
        test_file: File with the test rows; DATA is then split 80/20 into training and validation.
        validation_file: File with the validation rows; DATA then gives none.
    """

    test_file: Path | None = None
    validation_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ResultSettings:
    """Where a file's rows are written with what is added to them.

    Attributes:
        output: File for the result, in the format that its name ends in (.csv, .tsv, .jsonl, .ndjson, .parquet, .xlsx);
            standard output by default.
        force: Overwrite --output where it is there already.
        excel_safe: Put an apostrophe before cells that a spreadsheet would take for a formula.
    """

    output: Path | None = None
    force: bool = False
    excel_safe: bool = False
