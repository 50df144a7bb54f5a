"""Facts on a data file that decide whether training on it makes sense, before anything is trained."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trifold.data.examples import LoadedData, label_variants
from trifold.data.similar_labels import similar_labels
from trifold.data.visible_text import without_unseen
from trifold.formatting import counted
from trifold.types import Examples, Label, Split, Target, Text

_SHOWN, _SHOWN_VARIANTS, _SHOWN_SIMILAR, _SHOWN_CONFLICTS = 5, 3, 5, 3
# A label with fewer rows has figures that a single row moves far.
_SHAKY = 10


@dataclass(frozen=True)
class DataSummary:
    """What `check` reports and `compare` puts into its report.

    Attributes:
        path: The file.
        description: Its format in words, such as encoding and delimiter.
        text_column: Column of the texts, or several with commas between.
        label_column: Column of the labels.
        guessed: Whether a column was guessed.
        rows_in: Rows of the file.
        rows_used: Rows that can be used.
        bad_rows: Line and reason of the others.
        labels: Label to number of rows, commonest first.
        multi_label: Whether a row may have any number of labels.
        separator: What stands between a row's labels; empty where each row has one, or the file holds lists.
        variants: Label to the commoner label that it may be a misspelling of.
        first_rows: Text, or pair of texts, and label of the first rows.
        duplicates: Rows whose text stands in an earlier row.
        conflicting: Texts that stand in the file with different labels.
        parts: Rows of the training, validation and test parts.
        left_training: Rows that left training since their text, or nearly the same, stands in another part.
        left_validation: Rows that left validation since their text, or nearly the same, stands in the test part.
        characters: Median, 95th percentile and maximum of the texts' lengths in characters.
        notes: Plain sentences on what was unusual in the split.
        conflicting_lines: Lines of the first few of the conflicting texts.
        reading_note: What should be known of how the file is read; empty where there is nothing to know.
        near_training: Those of `left_training` whose text is only nearly the same.
        near_validation: Those of `left_validation` whose text is only nearly the same.
        similar: Rare label to the far commoner one that it may be another name of.
    """

    path: str
    description: str
    text_column: str
    label_column: str
    guessed: bool
    rows_in: int
    rows_used: int
    bad_rows: tuple[tuple[int, str], ...]
    labels: dict[Label, int]
    multi_label: bool
    separator: str
    variants: dict[Label, Label]
    first_rows: tuple[tuple[Text, Target], ...]
    duplicates: int
    conflicting: int
    parts: dict[str, int]
    left_training: int
    left_validation: int
    characters: tuple[int, int, int]
    notes: tuple[str, ...]
    conflicting_lines: tuple[tuple[int, ...], ...] = ()
    reading_note: str = ""
    near_training: int = 0
    near_validation: int = 0
    similar: dict[Label, Label] = field(default_factory=dict)

    def reasons(self) -> dict[str, int]:
        """Reason to number of bad rows, commonest first."""
        return dict(Counter(reason for _, reason in self.bad_rows).most_common())

    def variants_in_words(self) -> list[str]:
        """Each label that may be a misspelling: `'Positive ' (4 rows) looks like 'positive' (200 rows)`."""
        return [
            f"{spell(variant)} ({counted(self.labels[variant], 'row')}) looks like {spell(target)} "
            f"({counted(self.labels[target], 'row')})"
            for variant, target in self.variants.items()
            for spell in [_spelling(variant, target)]
        ]

    def similar_in_words(self) -> list[str]:
        """Each label that may be another name: `'neg' (12 rows) may be the same as 'negative' (1,988 rows)`."""
        return [
            f"{rare!r} ({counted(self.labels[rare], 'row')}) may be the same as {common!r} "
            f"({counted(self.labels[common], 'row')})"
            for rare, common in self.similar.items()
        ]

    def near_in_words(self) -> str:
        """How many of the rows that left: `, 12 of them for nearly the same text`."""
        near = self.near_training + self.near_validation
        return f", {near:,} of them for nearly the same text" if near else ""

    def label_caution(self) -> tuple[str, ...]:
        """What a verdict begins with where labels are spelt in several ways: it then counts one class as several."""
        found = self.variants_in_words()
        if not found:
            return ()
        more = f", and {len(found) - _SHOWN_VARIANTS:,} more like that" if len(found) > _SHOWN_VARIANTS else ""
        return (
            f"Look at the labels first, for each spelling was taken as a class of its own: "
            f"{'; '.join(found[:_SHOWN_VARIANTS])}{more}; --merge-labels makes them one.",
        )

    def warnings(self) -> list[str]:
        """Sentences on what should be looked at before training."""
        found = [self.reading_note] if self.reading_note else []
        found += [f"label {words}: --merge-labels makes them one" for words in self.variants_in_words()]
        way_out = "if so, write one name for both in the file, since --merge-labels joins spellings alone"
        found += [f"label {words}: {way_out}" for words in self.similar_in_words()[:_SHOWN_SIMILAR]]
        if len(self.similar) > _SHOWN_SIMILAR:
            found.append(f"{len(self.similar) - _SHOWN_SIMILAR:,} more labels may be the same as another one (--json)")
        if self.separator:
            found.append(
                f"a row may have several labels, since {self.separator!r} stands between some: "
                '--label-separator "" keeps them whole'
            )
        if self.bad_rows:
            left_out = "row cannot be used and is" if len(self.bad_rows) == 1 else "rows cannot be used and are"
            reasons = "; ".join(f"{count} because {reason}" for reason, count in self.reasons().items())
            found.append(f"{len(self.bad_rows):,} {left_out} left out: {reasons}")
        if self.left_training or self.left_validation:
            found.append(
                f"{counted(self.left_training, 'row')} left the training part and {self.left_validation:,} the "
                f"validation part, since their text also stands where it is tested{self.near_in_words()}"
            )
        if self.conflicting:
            lines = "; ".join(f"lines {', '.join(f'{line:,}' for line in one)}" for one in self.conflicting_lines)
            more = "; and more" if self.conflicting > len(self.conflicting_lines) else ""
            found.append(f"{counted(self.conflicting, 'text')} with different labels in different rows ({lines}{more})")
        return [*found, *self._rare_labels(), *self.notes]

    def _rare_labels(self) -> list[str]:
        rare = [label for label, rows in self.labels.items() if rows < _SHAKY]
        if len(rare) > 1:
            return [f"{len(rare):,} labels have fewer than {_SHAKY} rows each: figures on them will be shaky"]
        return [
            f"label {label!r} has only {counted(self.labels[label], 'row')}: figures on it will be shaky"
            for label in rare
        ]


def _spelling(one: Label, other: Label) -> Callable[[object], str]:
    """How two labels are shown so that they differ to the eye: by escapes where nothing else would show it."""
    return ascii if without_unseen(str(one)) == without_unseen(str(other)) else repr


def summarise_data(data: LoadedData, split: Split) -> DataSummary:
    """The summary of a loaded file and its split."""
    examples = data.examples
    lengths = np.array([len(text) for text in examples.texts])
    assert data.columns.label is not None
    conflicts = _conflicts(examples)
    counts = dict(examples.label_counts().most_common())
    variants = label_variants(examples.labels)
    # A misspelling is told as such, and its commonest form stands for it.
    similar = similar_labels({label: count for label, count in counts.items() if label not in variants})
    return DataSummary(
        path=str(data.path),
        description=data.description,
        text_column=data.columns.text,
        label_column=data.columns.label,
        guessed=data.columns.guessed,
        rows_in=data.rows_in,
        rows_used=len(examples),
        bad_rows=tuple((row.line, row.reason) for row in data.bad_rows),
        labels=counts,
        multi_label=examples.multi_label,
        separator=data.separator,
        variants=variants,
        first_rows=tuple(zip(examples.texts[:_SHOWN], examples.labels[:_SHOWN], strict=True)),
        duplicates=_duplicates(examples),
        conflicting=len(conflicts),
        parts=split.parts,
        left_training=split.left_training,
        left_validation=split.left_validation,
        characters=(int(np.median(lengths)), int(np.percentile(lengths, 95)), int(lengths.max())),
        notes=split.notes,
        conflicting_lines=tuple(conflicts[:_SHOWN_CONFLICTS]),
        reading_note=data.note,
        near_training=split.near_training,
        near_validation=split.near_validation,
        similar=similar,
    )


def _duplicates(examples: Examples) -> int:
    return len(examples) - len({text.strip() for text in examples.texts})


def _conflicts(examples: Examples) -> list[tuple[int, ...]]:
    """For each text with different labels, the first line of each label."""
    found: dict[Text, dict[Target, int]] = {}
    lines = examples.lines or examples.rows
    for text, label, line in zip(examples.texts, examples.labels, lines, strict=True):
        found.setdefault(text.strip(), {}).setdefault(label, line)
    return [tuple(lines_of.values()) for lines_of in found.values() if len(lines_of) > 1]
