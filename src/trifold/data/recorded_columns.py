"""How a file is read on behalf of another: by a run as its training data were, a test file as its data file is."""

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
    """What is known of the file that was read first; `None` where it is not.

    Attributes:
        of: Whose it is, for messages.
        text_column: Its text column, or several with commas between.
        label_column: Its label column.
        label_separator: What stood between the labels of a row.
        merge_labels: Whether labels that differ only in case or outer spaces were one.
    """

    of: str
    text_column: str | None = None
    label_column: str | None = None
    label_separator: str | None = None
    merge_labels: bool = False

    @classmethod
    def recorded(cls, facts: Mapping[str, Any]) -> "RecordedColumns":
        """What a run's `run.json` says of its data; nothing in one that `TextClassifier.save` wrote."""
        data = _mapping(facts.get("data"))
        reading = _mapping(data.get("reading"))
        text, label, separator = (
            value if isinstance(value, str) else None
            for value in (data.get("text_column"), data.get("label_column"), reading.get("label_separator"))
        )
        return cls("the run", text, label, separator, reading.get("merge_labels") is True)

    def settle(self, settings: LabelledSettings) -> LabelledSettings:
        """The settings, where labels are separated and merged as they were unless the user says otherwise."""
        separator = self.label_separator if settings.label_separator is None else settings.label_separator
        return replace(settings, label_separator=separator, merge_labels=settings.merge_labels or self.merge_labels)

    def find_columns(self, names: Sequence[str], sample: Sequence[Record], settings: TextSettings) -> Columns:
        """As `columns.find_columns`, but what the user does not name is read from the columns known, if they are.

        What is guessed, and what would have been guessed otherwise, is said.

        Raises:
            DataError: As `columns.find_columns`; also if a known column is missing.
        """
        open_names = [name for name in _COLUMNS if getattr(settings, name, "") is None]
        known = {name: column for name in open_names if (column := getattr(self, name)) is not None}
        if "text_column" in known and len(names) == 1 and not isinstance(settings, LabelledSettings):
            # Of one column there is no question which one is meant.
            del known["text_column"]
        for name, column in known.items():
            flag, what = _COLUMNS[name]
            missing = [part for part in named_texts(column, names) if part not in names]
            if missing:
                raise DataError(
                    f"{self.of} has its {what} in the column {missing[0]!r}, and this file has "
                    f"{', '.join(map(repr, names))}: name the one to read with {flag}, or rename it"
                )
        columns = find_columns(names, sample, replace(settings, **known))
        found, guessed = _by_setting(columns), _guess(names, sample, settings)
        for name in open_names:
            flag, what = _COLUMNS[name]
            if name not in known:
                say(f"note: {self.of} does not name its column of {what}; {found[name]!r} is read, {flag} overrides")
            elif guessed and found[name] != guessed[name]:
                say(f"note: {what} are read from column {found[name]!r}, as in {self.of}; {flag} overrides")
        return columns


def _guess(names: Sequence[str], sample: Sequence[Record], settings: TextSettings) -> dict[str, str | None]:
    """What would be read if nothing were known; nothing where it cannot be guessed."""
    try:
        return _by_setting(find_columns(names, sample, settings))
    except DataError:
        return {}


def _by_setting(columns: Columns) -> dict[str, str | None]:
    return {"text_column": columns.text, "label_column": columns.label}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
