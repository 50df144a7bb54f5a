"""Whether the first row of a delimited file names the columns, or is a row like the others."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from trifold.data.columns import guess_label, guess_text, is_usual_name
from trifold.data.table import column_names
from trifold.types import Record

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_ONE_WORD = re.compile(r"[\w.#/-]+")
_SENTENCE_END = re.compile(r"[.!?…。\uff01\uff1f][\"'”\u2019»)\]]*\Z")
_WIDE_CHARACTER = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
# From so many words, or characters of a script without spaces, on a cell is prose.
_WORDS, _WIDE_CHARACTERS = 4, 10
_LABEL_CHARACTERS = 60
_SHOWN_CHARACTERS, _SHOWN_NAMES = 30, 3


@dataclass(frozen=True)
class Header:
    """The names of the columns, and where they are from.

    Attributes:
        names: One for each column.
        named: Whether the first row names them; else it is a row like the others.
        note: What the user should know of it; empty where there is nothing to know.
    """

    names: tuple[str, ...]
    named: bool
    note: str = ""


def find_header(
    path: Path,
    first: Sequence[str],
    others: Sequence[Sequence[str]],
    given: bool | None,
    known: Collection[str] = (),
    *,
    lines: bool = False,
) -> Header:
    """Decide on a file's first row. Where that cannot be told, it counts as the header, and a note says so.

    Args:
        path: The file, for messages.
        first: Cells of the first row.
        others: Of some rows below it, as many each.
        given: What the user says: whether the first row names the columns.
        known: Names of columns that are asked for.
        lines: Whether every line is a text, and none but a usual name is a header.

    Raises:
        DataError: As `column_names`.
    """
    named = given
    if named is None and (_is_usual(first, others, known) or not (lines or others)):
        named = True
    elif named is None:
        named = False if lines else _names_columns(first, others)
    if named is False:
        names = _without_header([first, *others])
        called = " and ".join(map(repr, names)) if len(names) <= _SHOWN_NAMES else f"{names[0]!r} to {names[-1]!r}"
        columns = f"its column is called {called}" if len(names) == 1 else f"its columns are called {called}"
        note = (
            f"{path} has no header: its first row is a row like the others, and {columns}; --header takes it for names"
        )
        return Header(names, False, "" if given is False else note)
    names = column_names(first, path)
    shown = ", ".join(repr(_cut(name)) for name in names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    note = f"the first row of {path} is taken for the names of its columns ({shown}); if it is none, add --no-header"
    return Header(names, True, note if named is None else "")


def _is_usual(first: Sequence[str], others: Sequence[Sequence[str]], known: Collection[str]) -> bool:
    """Whether a column is called as is asked for or as columns often are, and that is not one of its values.

    A header may come again further down.
    """
    others = [row for row in others if list(row) != list(first)]
    return any(
        (is_usual_name(cell) or cell.strip() in known) and all(row[place].strip() != cell.strip() for row in others)
        for place, cell in enumerate(first)
    )


def _names_columns(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool | None:
    """Whether the first row names the columns; `None` where it cannot be told."""
    columns = [[row[place].strip() for row in others if row[place].strip()] for place in range(len(first))]
    votes = [_vote(cell.strip(), values) for cell, values in zip(first, columns, strict=True)]
    prose = any(_is_prose(cell) and _are_prose(values) for cell, values in zip(first, columns, strict=True))
    if len(first) == 1:
        # A question may stand above its answers, but a list of texts is far commoner, and the note names the flag.
        return False if prose or votes == [False] else None
    number = any(_NUMBER.fullmatch(cell.strip()) for cell, vote in zip(first, votes, strict=True) if vote is False)
    if False in votes and True not in votes:
        return False if prose or (number and len(first) == 2) else None
    return True if True in votes and False not in votes else None


def _vote(cell: str, values: Sequence[str]) -> bool | None:
    """Whether a cell is a name above a column's values; `None` where nothing speaks for or against it."""
    if not cell or len(values) < 2:
        return None
    if sum(_NUMBER.fullmatch(value) is not None for value in values) > 0.9 * len(values):
        return _NUMBER.fullmatch(cell) is None
    distinct = set(values)
    if len(distinct) <= max(2, len(values) // 2) and max(map(len, distinct)) <= _LABEL_CHARACTERS:
        if cell in distinct:
            return False
        # Of few rows, one more may have a label of its own.
        return True if len(values) >= 4 * len(distinct) else None
    # Of several words it may be a short text among longer ones.
    return True if _are_prose(values) and _ONE_WORD.fullmatch(cell) else None


def _are_prose(values: Sequence[str]) -> bool:
    return bool(values) and median(map(_is_prose, values)) >= 0.5


def _is_prose(cell: str) -> bool:
    """Whether somebody wrote a text there."""
    words = len(cell.split())
    wide = len(_WIDE_CHARACTER.findall(cell))
    return words >= _WORDS or wide >= _WIDE_CHARACTERS or (words > 1 and _SENTENCE_END.search(cell) is not None)


def _without_header(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """`text` and `label` for the columns that look like them, the others numbered."""
    names = [f"column{place + 1}" for place in range(len(rows[0]))]
    sample = [Record(line, dict(zip(names, row, strict=True))) for line, row in enumerate(rows)]
    text = guess_text(names, sample)
    others = [name for name in names if name != text]
    label = others[0] if len(others) == 1 else guess_label(others, sample)
    return tuple({text: "text", label: "label"}.get(name, name) for name in names)


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[: _SHOWN_CHARACTERS - 1]}…"
