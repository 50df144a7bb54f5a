"""Guess which columns hold the texts and the labels, by name first and content second."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.data import limits
from trifold.data.settings import LabelledSettings, TextSettings
from trifold.data.visible_text import is_blank
from trifold.errors import DataError, did_you_mean
from trifold.events import say
from trifold.types import Record, Text, TextPair, parts_of

_TEXT_NAMES = (
    "text",
    "texts",
    "review",
    "reviews",
    "sentence",
    "content",
    "comment",
    "comments",
    "message",
    "body",
    "document",
    "tweet",
    "question",
    "feedback",
    "description",
    "utterance",
)
# Of a longer text, mostly, which is what should be read.
_TITLE_NAMES = ("title", "headline", "subject")
# The two columns of a pair, the first read first.
_PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("query", "passage"),
    ("query", "document"),
    ("query", "title"),
    ("query", "text"),
    ("question", "passage"),
    ("question", "context"),
    ("question", "sentence"),
    ("question", "answer"),
    ("claim", "evidence"),
)
_LABEL_NAMES = (
    "label",
    "labels",
    "sentiment",
    "class",
    "category",
    "target",
    "topic",
    "intent",
    "y",
    "stars",
    "rating",
)

_SHOWN = 20


@dataclass(frozen=True)
class Columns:
    """The columns that are read, and whether they were guessed.

    Attributes:
        texts: Names of the text columns, joined in this order; mostly one.
        label: Name of the label column; `None` where only texts are needed and no label column is known.
        guessed: Whether a name was guessed rather than given.
        pair: Whether the two text columns are a pair of texts, and not joined.
    """

    texts: tuple[str, ...]
    label: str | None
    guessed: bool
    pair: bool = False

    @property
    def text(self) -> str:
        """The text columns as `--text-column` names them, with commas between."""
        return ",".join(self.texts)

    def tell(self, own: object = None, what: str = "texts", flag: str = "--text-column") -> None:
        """Say which column was guessed, if one was.

        Args:
            own: The columns of a run that were looked for, if any were: what is to be said of them is said already.
            what: The file's texts, in words.
            flag: Names another column.
        """
        if self.guessed and own is None:
            say(f"note: {what} are read from column {self.text!r}; {flag} overrides")

    def unusable(self, values: Mapping[str, object]) -> str | None:
        """Why a row has no text that can be used; `None` if it has one."""
        if not self.pair:
            return unusable_text(self.text_of(values))
        reasons = ((name, unusable_text(values[name])) for name in self.texts)
        return next((f"{reason} in column {name!r}" for name, reason in reasons if reason), None)

    def usable_text(self, values: Mapping[str, object]) -> Text:
        """The text, or the pair of texts, of a row that has a usable one."""
        if not self.pair:
            return str(self.text_of(values))
        first, second = (str(values[name]) for name in self.texts)
        return TextPair(first, second)

    def text_of(self, values: Mapping[str, object]) -> object:
        """The one text of a row; of several text columns, those that are not empty, one below the other."""
        if len(self.texts) == 1:
            return values[self.texts[0]]
        parts = [value for name in self.texts if unusable_text(value := values[name]) is None]
        return "\n".join(str(part) for part in parts) if parts else values[self.texts[0]]


def is_usual_name(name: str) -> bool:
    """Whether `name` is a common name for a column of texts or labels."""
    return name.strip().lower() in (*_TEXT_NAMES, *_TITLE_NAMES, *_LABEL_NAMES)


def unusable_text(value: object) -> str | None:
    """Why a value cannot be used as a text, such as that it is empty or invisible; `None` if it can."""
    if isinstance(value, TextPair):
        return next((reason for part in parts_of(value) if (reason := unusable_text(part))), None)
    if value is None:
        return "the text is missing"
    if not isinstance(value, str):
        return f"the text is no text but {type(value).__name__}"
    if len(value) > limits.MAX_FIELD_CHARACTERS:
        return f"the text is longer than {limits.MAX_FIELD_CHARACTERS:,} characters"
    return "the text is empty" if is_blank(value) else None


def find_columns(
    names: Sequence[str], sample: Sequence[Record], settings: TextSettings, *, pair: bool = False
) -> Columns:
    """Choose the text columns and, if `settings` are those of a labelled file, the label column.

    Args:
        names: Columns of the file.
        sample: Some of its rows; columns are guessed by their content if no name tells.
        settings: Columns that the user named are taken, not guessed.
        pair: Whether a row is a pair of texts, in two columns.

    Raises:
        DataError: If a named column does not exist, or none can be guessed; the message names those that exist.
    """
    given = named_texts(settings.text_column, names)
    named_label = settings.label_column if isinstance(settings, LabelledSettings) else None
    wanted = [("--text-column", name) for name in given]
    if named_label is not None:
        wanted.append(("--label-column", named_label))
    for flag, name in wanted:
        if name not in names:
            guess = did_you_mean(name, names)
            raise DataError(f"there is no column {name!r}{guess}: the file has {_listed(names)}; name one with {flag}")
    if named_label in given:
        raise DataError(f"{named_label!r} cannot hold both texts and labels: name two of {_listed(names)}")
    texts = _pair(names, given, named_label) if pair else given or (guess_text(names, sample, named_label),)
    if not isinstance(settings, LabelledSettings):
        return Columns(texts, None, guessed=not given, pair=pair)
    label = named_label or guess_label([name for name in names if name not in texts], sample)
    if label is None:
        raise DataError(
            f"no label column can be guessed among {_listed(names)}: name it with --label-column, or add --no-header "
            "if the first line is a row"
        )
    return Columns(texts, label, guessed=not given or named_label is None, pair=pair)


def require_header(path: Path | str, label_column: str, labels: Iterable[object], settings: LabelledSettings) -> None:
    """Refuse a file without a header, whose first row was read as one: the label column then has a label as its name.

    Raises:
        DataError: If the name of the guessed label column is one of the labels.
    """
    guessed = settings.label_column is None and not is_usual_name(label_column)
    if guessed and any(str(label).strip() == label_column for label in labels):
        raise DataError(
            f"the first line of {path} must name the columns, but {label_column!r} is one of the labels: add "
            "--no-header if it is a row like the others, or if that is its name give it to --label-column"
        )


def named_texts(given: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that `--text-column` names: the whole value if a column has that name, else its parts at commas."""
    if given is None:
        return ()
    return (given,) if given in names or "," not in given else tuple(part.strip() for part in given.split(","))


def guess_text(names: Sequence[str], sample: Sequence[Record], label: str | None = None) -> str:
    """The column of texts: the first of the usual names, or else the one with the longest prose.

    Args:
        names: Columns of the file.
        sample: Some of its rows.
        label: The column of labels, where it is known.

    Raises:
        DataError: If no column holds text.
    """
    others = [name for name in names if name != label]
    named = _by_name(others, _TEXT_NAMES)
    if named is not None:
        return named
    lengths = {name: _prose([row.values[name] for row in sample]) for name in others}
    if not lengths or (sample and max(lengths.values()) == (0, 0)):
        raise DataError(f"no text column can be guessed among {_listed(names)}: name it with --text-column")
    return max(lengths, key=lambda name: lengths[name])


def guess_pair(names: Sequence[str], label: str | None = None) -> tuple[str, str] | None:
    """The two columns of a pair of texts, by their names; `None` where no names tell.

    Args:
        names: Columns of the file.
        label: The column of labels, where it is known.
    """
    lowered = {name.lower(): name for name in names if name != label}
    known = (pair for pair in _PAIR_NAMES if lowered.keys() >= set(pair))
    return next(((lowered[first], lowered[second]) for first, second in known), None)


def _pair(names: Sequence[str], given: tuple[str, ...], label: str | None) -> tuple[str, ...]:
    """The two columns of a pair of texts, as given or guessed.

    Raises:
        DataError: If another number is given, or none can be guessed.
    """
    found = given or guess_pair(names, label)
    if found is None:
        raise DataError(
            f"no two columns of a pair of texts can be guessed among {_listed(names)}: name both with --text-column "
            "FIRST,SECOND"
        )
    if len(found) != 2 or found[0] == found[1]:
        raise DataError(
            f"a pair of texts has two columns, and --text-column names {', '.join(map(repr, found))}: name two, such "
            "as --text-column sentence1,sentence2"
        )
    return found


def pair_note(names: Sequence[str], columns: Columns) -> str:
    """What is to be said where one text column was guessed and two look like a pair; nothing elsewhere."""
    pair = guess_pair(names, columns.label)
    if pair is None or columns.pair or not columns.guessed or len(columns.texts) > 1:
        return ""
    first, second = pair
    return (
        f"only {columns.text!r} is read of each row, and {first!r} and {second!r} look like a pair of texts: "
        "--task pairs reads both"
    )


def _prose(values: Sequence[object]) -> tuple[int, int]:
    """Characters in values of several words, or of a script without spaces; and in all, addresses and ids included."""
    texts = [value for value in values if isinstance(value, str)]
    return sum(len(text) for text in texts if " " in text or not text.isascii()), sum(map(len, texts))


def guess_label(others: Sequence[str], sample: Sequence[Record]) -> str | None:
    """The column of labels among those that hold no texts; `None` where none looks like it."""
    named = _by_name(others, _LABEL_NAMES)
    if named is not None:
        return named
    # A label repeats; an index column or an id does not.
    distinct = {name: len({str(row.values[name]) for row in sample}) for name in others}
    repeating = {name: count for name, count in distinct.items() if 2 <= count <= max(2, len(sample) // 2)}
    return min(repeating, key=lambda name: repeating[name]) if repeating else None


def _by_name(names: Sequence[str], known: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in names}
    return next((lowered[name] for name in known if name in lowered), None)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
