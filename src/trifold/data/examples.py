"""Read labelled examples from a file: every row is either used or reported with its line and reason."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

from trifold.data import limits
from trifold.data.columns import Columns, find_columns, pair_note, require_header
from trifold.data.label_matching import known_labels, plain_text, spelling
from trifold.data.open_file import open_table
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.row_sample import some
from trifold.data.settings import LabelledSettings, TextSettings
from trifold.data.table import Table
from trifold.data.visible_text import is_blank
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.types import SEPARATOR, BadRow, Examples, Label, Record, Target, Text, labels_of

_SAMPLE_ROWS = 200
_LARGEST_LABEL = 1 << 63
_MOST_DIGITS = 4_300  # Python refuses to convert longer ones


@dataclass(frozen=True)
class LoadedData:
    """A labelled file, read whole: rows in = `len(examples) + len(bad_rows)`.

    Attributes:
        path: The file, as it was named.
        description: How it is written, in words.
        columns: The columns in use.
        examples: The rows that can be used.
        bad_rows: The rows that cannot, each with its line and reason.
        merged_labels: Spelling that was given up to the spelling that stands for it (`--merge-labels`).
        separator: What stood between several labels of a row; empty where each row has one, or the file holds lists.
        note: What should be known of how the file is read; empty where there is nothing to know.
    """

    path: Path
    description: str
    columns: Columns
    examples: Examples
    bad_rows: tuple[BadRow, ...]
    merged_labels: dict[Label, Label]
    separator: str = ""
    note: str = ""

    @property
    def rows_in(self) -> int:
        """Rows of the file, the header not counted."""
        return len(self.examples) + len(self.bad_rows)


def load_examples(path: Path | str, settings: LabelledSettings, own: RecordedColumns | None = None) -> LoadedData:
    """Read a labelled file.

    Args:
        path: The file.
        settings: How to read it.
        own: The columns of the file that this one is read like, such as a run's data; they hold where `settings` do not
            name others.

    Raises:
        DataError: If the file or its columns cannot be used, or no row can, or a row is bad and `on_bad_rows` is
            `fail`.
    """
    settings = own.settle(settings) if own else settings
    table, columns, rows = open_rows(path, settings, own)
    assert columns.label is not None
    numbers: list[int] = []
    lines: list[int] = []
    texts: list[Text] = []
    labels: list[object] = []
    bad: list[BadRow] = []
    for number, row in enumerate(rows, start=1):
        if number > limits.MAX_ROWS:
            raise DataError(
                f"{path} has more than {limits.MAX_ROWS:,} rows, the most that are read whole: give a sample"
            )
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            numbers.append(number)
            lines.append(row.line)
            texts.append(columns.usable_text(row.values))
            labels.append(row.values[columns.label])
    if not lines:
        raise DataError(f"no row of {path} can be used: {_reasons(bad)}; correct the file")
    require_header(path, columns.label, labels, settings)
    given = settings.label_separator
    separator = _separator_in_use(labels, SEPARATOR if given is None else given)
    targets = _as_targets(labels, separator)
    merged = label_variants(targets) if settings.merge_labels else {}
    renamed = tuple(_renamed(target, merged) for target in targets)
    examples = Examples(tuple(numbers), tuple(texts), renamed, tuple(lines))
    note = table.note or pair_note(table.columns, columns)
    return LoadedData(Path(path), table.description, columns, examples, tuple(bad), merged, separator, note)


def open_rows(
    path: Path | str, settings: TextSettings, own: RecordedColumns | None = None
) -> tuple[Table, Columns, Iterator[Record | BadRow]]:
    """Open a file, settle its columns on a sample, and stream all its rows, the sample included.

    Every `Record` has a usable text, and a label where the settings are those of a labelled file; all other rows come
    as `BadRow`.

    Args:
        path: The file.
        settings: How to read it.
        own: As in `load_examples`.

    Raises:
        DataError: As `open_table` and `find_columns`; also if the file has a header and no row, and while streaming,
            at the first bad row, if `on_bad_rows` is `fail`.
    """
    labelled, pair = isinstance(settings, LabelledSettings), own.pair if own else settings.reads_pairs
    known = _asked_for(settings, own)
    table = open_table(path, settings.encoding, 2 if labelled else 1, settings.header, known)
    rows = table.rows()
    head = list(islice(rows, _SAMPLE_ROWS))
    if not head:
        way_out = "add rows below it, or add --no-header if that line is a row"
        raise DataError(f"{path} has a header and no rows: {way_out}")
    sample = [row for row in head if isinstance(row, Record)]
    if not sample and len(head) < _SAMPLE_ROWS:
        raise DataError(f"no row of {path} can be used: {_reasons(head)}; correct the file")
    sample = _sample(table, head, settings, pair=pair)
    columns = (own.find_columns if own else partial(find_columns, pair=pair))(table.columns, sample, settings)
    checked = (_checked(row, columns, needs_label=labelled) for row in chain(head, rows))
    return table, columns, _up_to_bad_row(checked, path) if settings.on_bad_rows == "fail" else checked


def _asked_for(settings: TextSettings, own: RecordedColumns | None) -> set[str]:
    """Names of columns that the user or a run asks for: a row that holds one is a header."""
    given = (settings.text_column, getattr(settings, "label_column", None), own.text_column if own else None)
    return {part.strip() for column in given if column for part in (column, *column.split(","))}


def _reasons(rows: Iterable[Record | BadRow]) -> str:
    counts = Counter(row.reason for row in rows if isinstance(row, BadRow))
    return ", ".join(f"{reason} ({counted(count, 'row')})" for reason, count in counts.most_common(3))


def _sample(table: Table, head: Sequence[Record | BadRow], settings: TextSettings, *, pair: bool) -> list[Record]:
    """Rows to guess columns by: the first ones, or rows from all of the file if their names alone do not tell.

    If a file is sorted by label, its first rows all have the same label, and the label column cannot be recognised.
    """
    try:
        find_columns(table.columns, (), settings, pair=pair)
    except DataError:
        head = some(table.rows(), _SAMPLE_ROWS)
    return [row for row in head if isinstance(row, Record)]


def is_missing(value: object) -> bool:
    """Whether a value is no label: missing, not-a-number or blank."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or is_blank(str(value))


def unusable_label(value: object) -> str | None:
    """Why a value cannot be used as a label, or as a list of labels; `None` if it can."""
    if is_missing(value):
        return "it has no label"
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, float) and math.isinf(part):
            return "the label is an infinite number"
        if isinstance(part, int) and abs(part) >= _LARGEST_LABEL:
            return "the label is a whole number of more than 64 bits"
        if isinstance(part, dict | list | tuple | bytes):
            return f"the label is neither text nor number but {type(part).__name__}"
    return None


def label_variants(targets: Iterable[Target]) -> dict[Label, Label]:
    """Labels with the same `spelling` as a more frequent label, mapped to that label."""
    counts = Counter(label for target in targets for label in labels_of(target))
    commonest: dict[str, Label] = {}
    for label, _ in counts.most_common():
        commonest.setdefault(spelling(label), label)
    return {label: commonest[spelling(label)] for label in counts if label != commonest[spelling(label)]}


def adopt_labels(examples: Examples, known: Iterable[Label], *, merge: bool = False) -> Examples:
    """The examples with known labels in place of those that `known_labels` finds to be the same."""
    names = known_labels(examples.label_counts(), known, merge=merge)
    return replace(examples, labels=tuple(_renamed(target, names) for target in examples.labels))


def as_multi_label(examples: Examples) -> Examples:
    """The rows, each with a tuple of labels instead of one label."""
    return replace(examples, labels=tuple(labels_of(target) for target in examples.labels))


def _renamed(target: Target, names: Mapping[Label, Label]) -> Target:
    if isinstance(target, tuple):
        return tuple(dict.fromkeys(names.get(label, label) for label in target))
    return names.get(target, target)


def _checked(row: Record | BadRow, columns: Columns, *, needs_label: bool) -> Record | BadRow:
    if isinstance(row, BadRow):
        return row
    reason = columns.unusable(row.values)
    if reason is None and needs_label:
        reason = unusable_label(row.values[str(columns.label)])
    return BadRow(row.line, reason, row.values) if reason else row


def _up_to_bad_row(rows: Iterable[Record | BadRow], path: Path | str) -> Iterator[Record | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            raise DataError(f"{path}, line {row.line}: {row.reason}; correct it, or leave out --on-bad-rows fail")
        yield row


def _separator_in_use(values: Sequence[object], separator: str) -> str:
    """The separator if at least one row has several labels with it between; empty otherwise."""
    if not separator or any(isinstance(value, list) for value in values):
        return ""
    several = any(len(_parts(value, separator)) > 1 for value in values)
    return separator if several else ""


def _as_targets(values: Sequence[object], separator: str) -> list[Target]:
    """The labels of each row. If all labels are whole numbers, in whatever type, they become integers.

    A CSV's `0` and a Parquet file's 0 are the same label, so that a model trained on one can be evaluated on the other.

    Raises:
        DataError: If a label of a list holds the character that stands between labels in what we write.
    """
    if not separator and not any(isinstance(value, list) for value in values):
        return list(_as_labels(values))
    rows = [_parts(value, separator) for value in values]
    names = iter(_as_labels([part for row in rows for part in row]))
    targets = [tuple(dict.fromkeys(next(names) for _ in row)) for row in rows]
    for label in {label for target in targets for label in target}:
        if SEPARATOR in str(label):
            raise DataError(f"the label {label!r} holds a {SEPARATOR!r}, which stands between labels: rename it")
    return list(targets)


def _parts(value: object, separator: str) -> list[object]:
    """The labels of one row: the members of a list, or the parts of a text between separators."""
    if isinstance(value, list):
        return [part for part in value if not is_missing(part)]
    if separator:
        return [part.strip() for part in str(value).split(separator) if not is_blank(part)]
    return [value]


def _as_labels(values: Sequence[object]) -> list[Label]:
    written = {str(value) for value in values}
    alike = [_as_others(value, written) for value in values]
    numbers = [_whole_number(value) for value in alike]
    if all(number is not None for number in numbers):
        return [number for number in numbers if number is not None]
    return [str(value) for value in alike]


def _as_others(value: object, written: Collection[str]) -> object:
    """The label; as its plain text where other rows have that: `1.0` beside 1, or a Boolean beside the text "true".

    Texts that differ in nothing but case stay apart, since that is for the user to say (`--merge-labels`).
    """
    text = plain_text(value)
    same_text = isinstance(value, str) and text.casefold() == value.casefold()
    return text if text in written and not same_text else value


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    text = str(value)
    digits = text[1:] if text.startswith("-") else text
    canonical = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0") and text != "-0"
    return int(text) if canonical and len(digits) <= _MOST_DIGITS else None
