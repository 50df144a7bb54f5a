"""Read a file in the same way as another: new data like a run's training data, a test file like the data file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trifold.data.columns import Columns, find_columns, named_texts
from trifold.data.settings import LabelledSettings, TextSettings
from trifold.errors import DataError
from trifold.events import say
from trifold.types import Record

# Setting to its flag, and what the column holds.
_COLUMNS = {"text_column": ("--text-column", "texts"), "label_column": ("--label-column", "labels")}


@dataclass(frozen=True)
class RecordedColumns:
    """How the first file was read; fields are `None` if that is not known.

    Attributes:
        of: Name of the file or run, for messages.
        text_column: Its text column, or several with commas between.
        label_column: Its label column.
        label_separator: Separator between the labels of a row.
        merge_labels: Whether labels that differ only in case or outer spaces were merged.
        pair: Whether its rows are pairs of texts, in two columns.
    """

    of: str
    text_column: str | None = None
    label_column: str | None = None
    label_separator: str | None = None
    merge_labels: bool = False
    pair: bool = False

    @classmethod
    def recorded(cls, facts: Mapping[str, Any]) -> "RecordedColumns":
        """The columns that `run.json` names; none if `TextClassifier.save` wrote the run, which has no data file."""
        data = _mapping(facts.get("data"))
        reading = _mapping(data.get("reading"))
        text, label, separator = (
            value if isinstance(value, str) else None
            for value in (data.get("text_column"), data.get("label_column"), reading.get("label_separator"))
        )
        merge_labels, pair = (
            reading.get("merge_labels") is True,
            facts.get("pairs") is True or facts.get("task") == "similarity",
        )
        return cls("the run", text, label, separator, merge_labels, pair)

    def settle(self, settings: LabelledSettings) -> LabelledSettings:
        """The settings with the first file's separator and merging of labels, where the user set none."""
        separator = self.label_separator if settings.label_separator is None else settings.label_separator
        return replace(settings, label_separator=separator, merge_labels=settings.merge_labels or self.merge_labels)

    def find_columns(self, names: Sequence[str], sample: Sequence[Record], settings: TextSettings) -> Columns:
        """As `columns.find_columns`, but with the first file's columns in place of a guess.

        A note says which columns were guessed, and which would have been guessed if the first file's were not known.

        Raises:
            DataError: As `columns.find_columns`; also if a column of the first file is missing.
        """
        open_names = [name for name in _COLUMNS if getattr(settings, name, "") is None]
        known = {name: column for name in open_names if (column := getattr(self, name)) is not None}
        if "text_column" in known and len(names) == 1 and not isinstance(settings, LabelledSettings) and not self.pair:
            # Of one column there is no question which one is meant, so it need not be called as in the first file.
            open_names.remove("text_column")
            del known["text_column"]
        for name, column in known.items():
            flag, what = _COLUMNS[name]
            missing = [part for part in named_texts(column, names) if part not in names]
            if missing:
                raise DataError(
                    f"{self.of} has its {what} in the column {missing[0]!r}, and this file has "
                    f"{', '.join(map(repr, names))}: name the one to read with {flag}, or rename it"
                )
        columns = find_columns(names, sample, replace(settings, **known), pair=self.pair)
        found, guessed = _by_setting(columns), _guess(names, sample, settings, pair=self.pair)
        for name in open_names:
            flag, what = _COLUMNS[name]
            if name not in known:
                say(f"note: {self.of} does not name its column of {what}; {found[name]!r} is read, {flag} overrides")
            elif guessed and found[name] != guessed[name]:
                say(f"note: {what} are read from column {found[name]!r}, as in {self.of}; {flag} overrides")
        return columns


def _guess(
    names: Sequence[str], sample: Sequence[Record], settings: TextSettings, *, pair: bool
) -> dict[str, str | None]:
    """The columns that would be guessed if nothing were known of the first file; empty if none can be guessed."""
    try:
        return _by_setting(find_columns(names, sample, settings, pair=pair))
    except DataError:
        return {}


def _by_setting(columns: Columns) -> dict[str, str | None]:
    return {"text_column": columns.text, "label_column": columns.label}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
