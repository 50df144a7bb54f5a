"""From a file's rows to examples a method can learn from, with every row accounted for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from trifold.data import limits
from trifold.data.columns import Columns, find_columns, require_header, unusable_text
from trifold.data.files import open_table
from trifold.data.settings import LabelledSettings, TextSettings
from trifold.data.table import Table
from trifold.data.visible import is_blank, look_key
from trifold.errors import DataError
from trifold.progress import counted
from trifold.types import SEPARATOR, BadRow, Examples, Label, Record, Target, labels_of

_SAMPLE_ROWS = 200
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
    """

    path: Path
    description: str
    columns: Columns
    examples: Examples
    bad_rows: tuple[BadRow, ...]
    merged_labels: dict[Label, Label]
    separator: str = ""

    @property
    def rows_in(self) -> int:
        """Rows of the file, the header not counted."""
        return len(self.examples) + len(self.bad_rows)


def load_examples(path: Path | str, settings: LabelledSettings) -> LoadedData:
    """Read a labelled file.

    Raises:
        DataError: If the file or its columns cannot be used, or no row can, or a row is bad and `on_bad_rows` is
            `fail`.
    """
    table, columns, rows = open_rows(path, settings)
    assert columns.label is not None
    lines: list[int] = []
    texts: list[str] = []
    labels: list[object] = []
    bad: list[BadRow] = []
    for number, row in enumerate(rows):
        if number == limits.MAX_ROWS:
            raise DataError(
                f"{path} has more than {limits.MAX_ROWS:,} rows, the most that are read whole: give a sample"
            )
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            lines.append(row.line)
            texts.append(str(columns.text_of(row.values)))
            labels.append(row.values[columns.label])
    if not lines:
        raise DataError(f"no row of {path} can be used: {_reasons(bad)}; mend the file")
    require_header(path, columns.label, labels, settings)
    separator = _separator_in_use(labels, settings.label_separator)
    targets = _as_targets(labels, separator)
    merged = label_variants(targets) if settings.merge_labels else {}
    examples = Examples(tuple(lines), tuple(texts), tuple(_renamed(target, merged) for target in targets))
    return LoadedData(Path(path), table.description, columns, examples, tuple(bad), merged, separator)


def open_rows(path: Path | str, settings: TextSettings) -> tuple[Table, Columns, Iterator[Record | BadRow]]:
    """Open a file, settle its columns on a sample, and stream all its rows, the sample included.

    Every `Record` has a usable text, and a label where the settings are those of a labelled file; all other rows come
    as `BadRow`.

    Raises:
        DataError: As `open_table` and `find_columns`; also if the file has a header and no row, and while streaming,
            at the first bad row, if `on_bad_rows` is `fail`.
    """
    labelled = isinstance(settings, LabelledSettings)
    table = open_table(path, settings.encoding, columns=2 if labelled else 1)
    rows = table.rows()
    head = list(islice(rows, _SAMPLE_ROWS))
    if not head:
        raise DataError(f"{path} has a header and no rows: add rows with a text and a label")
    sample = [row for row in head if isinstance(row, Record)]
    if not sample and len(head) < _SAMPLE_ROWS:
        raise DataError(f"no row of {path} can be used: {_reasons(head)}; mend the file")
    columns = find_columns(table.columns, sample, settings)
    checked = (_checked(row, columns, needs_label=labelled) for row in chain(head, rows))
    return table, columns, _up_to_bad_row(checked, path) if settings.on_bad_rows == "fail" else checked


def _reasons(rows: Iterable[Record | BadRow]) -> str:
    counts = Counter(row.reason for row in rows if isinstance(row, BadRow))
    return ", ".join(f"{reason} ({counted(count, 'row')})" for reason, count in counts.most_common(3))


def label_variants(targets: Iterable[Target]) -> dict[Label, Label]:
    """Labels that only look like a commoner one, as `look_key` has it, mapped to that one."""
    counts = Counter(label for target in targets for label in labels_of(target))
    commonest: dict[str, Label] = {}
    for label, _ in counts.most_common():
        commonest.setdefault(_key(label), label)
    return {label: commonest[_key(label)] for label in counts if label != commonest[_key(label)]}


def adopt_labels(examples: Examples, known: set[Label]) -> Examples:
    """Labels that only look like a known one, as `look_key` has it, become it."""
    by_key = {_key(label): label for label in known}
    names = {label: by_key[_key(label)] for label in examples.label_counts() if _key(label) in by_key}
    return replace(examples, labels=tuple(_renamed(target, names) for target in examples.labels))


def as_multi_label(examples: Examples) -> Examples:
    """The same rows, each with a tuple of labels."""
    return replace(examples, labels=tuple(labels_of(target) for target in examples.labels))


def _key(label: Label) -> str:
    return look_key(str(label))


def _renamed(target: Target, names: Mapping[Label, Label]) -> Target:
    if isinstance(target, tuple):
        return tuple(dict.fromkeys(names.get(label, label) for label in target))
    return names.get(target, target)


def _checked(row: Record | BadRow, columns: Columns, *, needs_label: bool) -> Record | BadRow:
    if isinstance(row, BadRow):
        return row
    reason = unusable_text(columns.text_of(row.values))
    if reason is None and needs_label:
        label = row.values[str(columns.label)]
        if label is None or (isinstance(label, float) and label != label) or is_blank(str(label)):
            reason = "it has no label"
    return BadRow(row.line, reason, row.values) if reason else row


def _up_to_bad_row(rows: Iterable[Record | BadRow], path: Path | str) -> Iterator[Record | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            raise DataError(f"{path}, line {row.line}: {row.reason}; mend it, or leave out --on-bad-rows fail")
        yield row


def _separator_in_use(values: Sequence[object], separator: str) -> str:
    """The separator, if some row has several labels by it; else nothing."""
    if not separator or any(isinstance(value, list) for value in values):
        return ""
    several = any(len(_parts(value, separator)) > 1 for value in values)
    return separator if several else ""


def _as_targets(values: Sequence[object], separator: str) -> list[Target]:
    """Keep labels as they are; whole numbers, however stored, become integers if all labels are such.

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
    """The labels of one row: a list's members, or what stands between separators."""
    if isinstance(value, list):
        return [part for part in value if part is not None and not is_blank(str(part))]
    if separator:
        return [part.strip() for part in str(value).split(separator) if not is_blank(part)]
    return [value]


def _as_labels(values: Sequence[object]) -> list[Label]:
    numbers = [_whole_number(value) for value in values]
    if all(number is not None for number in numbers):
        return [number for number in numbers if number is not None]
    return [value if isinstance(value, str) else str(value) for value in values]


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
