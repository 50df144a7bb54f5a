"""How a data file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How a data file is read and split.

    Attributes:
        text_column: Column that holds the texts; guessed and said where not given.
        label_column: Column that holds the labels; guessed and said where not given.
        test_file: File with the test rows; DATA is then split 80/20 into training and validation.
        on_bad_rows: Leave out rows that cannot be used and report them, or stop at the first.
        merge_labels: Treat labels that differ only in case or outer spaces as one, under the commonest spelling.
        encoding: Encoding of a CSV; found out where not given.
    """

    text_column: str | None = None
    label_column: str | None = None
    test_file: Path | None = None
    on_bad_rows: Literal["skip", "fail"] = "skip"
    merge_labels: bool = False
    encoding: str | None = None
