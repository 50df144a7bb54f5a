"""How a data file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How a file of texts is read.

    Attributes:
        text_column: Column with the texts, or several with commas between, whose texts are joined; guessed by default,
            with a note.
        encoding: Encoding of a CSV or JSON file; detected by default.
        header: Whether the first row of a CSV names the columns; detected by default, with a note where in doubt.
        on_bad_rows: skip leaves out rows that cannot be used and reports them; fail stops at the first.
    """

    text_column: str | None = None
    encoding: str | None = None
    header: bool | None = None
    on_bad_rows: Literal["skip", "fail"] = "skip"

    @property
    def reads_pairs(self) -> bool:
        """Whether two text columns are a pair of texts, and not the parts of one."""
        return False


@dataclass(frozen=True, kw_only=True)
class PairTextSettings(TextSettings):
    """How a file of pairs of texts is read.

    Attributes:
        text_column: The two columns of a pair, with a comma between; guessed by default, with a note.
    """

    text_column: str | None = None

    @property
    def reads_pairs(self) -> bool:
        """See `TextSettings.reads_pairs`."""
        return True


@dataclass(frozen=True, kw_only=True)
class RunTextSettings(TextSettings):
    """How a file is read whose texts a run is to answer.

    Attributes:
        text_column: Column with the texts, or several with commas between, whose texts are joined, or, where the run
            reads pairs of texts, which are the two of a pair; by default what the run was trained on.
    """

    text_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class ComparedTextSettings(TextSettings):
    """How files are read whose texts are compared with each other.

    Attributes:
        text_column: Column with the texts, or several with commas between, whose texts are joined, or, in one file
            without --top-k, which are compared row by row; guessed by default, with a note.
    """

    text_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledSettings(TextSettings):
    """How a file of texts and labels is read.

    Attributes:
        text_column: Column with the texts, or several with commas between, whose texts are joined, or, where the run
            reads pairs of texts, which are the two of a pair; by default what the run was trained on.
        label_column: Column with the labels; guessed by default, with a note.
        label_separator: Separator between the labels of a row with several labels; | by default, "" for none.
        merge_labels: Treat labels that differ only in case, spaces, invisible characters or Unicode form as one label,
            in its most frequent spelling.
    """

    text_column: str | None = None
    label_column: str | None = None
    label_separator: str | None = None
    merge_labels: bool = False


@dataclass(frozen=True, kw_only=True)
class DataSettings(LabelledSettings):
    """What is learned of a data file, and how it is read and split.

    Attributes:
        text_column: Column with the texts, or several with commas between, whose texts are joined, or, with --task
            pairs or similarity, which are the two of a pair; guessed by default, with a note.
        task: A label for each text (classify), or for each pair of texts that are read together, such as a question and
            an answer (pairs, with --text-column FIRST,SECOND); or a score, how similar the texts of a pair are
            (similarity); finetune also teaches answers in words (generate).
        test_file: File with the test rows; DATA is then split 80/20 into training and validation.
        validation_file: File with the validation rows; none are then taken from DATA.
    """

    text_column: str | None = None
    task: Literal["classify", "pairs", "similarity", "generate"] = "classify"
    test_file: Path | None = None
    validation_file: Path | None = None

    @property
    def reads_pairs(self) -> bool:
        """See `TextSettings.reads_pairs`."""
        return self.task in ("pairs", "similarity")


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
