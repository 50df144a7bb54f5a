"""Print results to standard output; messages go to standard error elsewhere."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from trifold.data.source import is_standard_input
from trifold.events import say
from trifold.terminal import printable

# What JSON leaves as it is and a terminal obeys: codes beyond ASCII, turns of direction, and halves of a pair.
_OBEYED = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\n\t]+")


def print_json(value: Any, *, flush: bool = False) -> None:
    """Print indented JSON; control characters that a terminal would act on are escaped.

    Args:
        value: Of plain values and dataclasses.
        flush: Whether it is to arrive at once, by a command that goes on.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_as_json_value)
    print(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text), flush=flush)


def print_text(*parts: object, **options: Any) -> None:
    """Print text without control characters, since it may come from files and models."""
    print(*(printable(str(part)) for part in parts), **options)


def _as_json_value(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def say_next(*words: object, json: bool = False) -> None:
    """Say, as a command's last line on standard error, what to go on with.

    Args:
        words: A command line, without `trifold`; a file stands for standard input, which cannot be read again.
        json: Whether a program reads the results, which needs no advice.
    """
    if not json:
        say(f"next: {shlex.join(['trifold', *map(_as_typed, words)])}")


def _as_typed(word: object) -> str:
    """A word of a command line; a file whose name begins as flags do is told by its place."""
    if not isinstance(word, Path):
        return str(word)
    return "FILE.csv" if is_standard_input(word) else f"./{word}" if str(word).startswith("-") else str(word)


def some_text(*, pair: bool = False) -> tuple[str, ...]:
    """Flags of predict for `say_next`: a text, or a pair of texts, whatever they are about."""
    return ("--text", "…", "--text-pair", "…") if pair else ("--text", "…")


def print_run(folder: Path) -> None:
    """Print where a finished run is, and its report, unless that could not be made."""
    report = folder / "report.html"
    print_text(f"\nReport: {report}\n{folder}" if report.is_file() else f"\n{folder}")


def print_piece(text: str) -> None:
    """Print a part of a text while the model is still writing the rest."""
    print(printable(text), end="", flush=True)


def print_table(rows: Sequence[Mapping[str, str]], left_aligned: int = 1) -> None:
    """Print rows as aligned columns with a header.

    Args:
        rows: At least one; all with the same columns.
        left_aligned: Number of columns that are aligned left; the others, which hold figures, are aligned right.
    """
    # A line break inside a cell would be a row that is none.
    rows = [{name: _BREAKS.sub(" ", printable(cell)) for name, cell in row.items()} for row in rows]
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for line in ({name: name for name in names}, *rows):
        cells = [
            line[name].ljust(widths[name]) if index < left_aligned else line[name].rjust(widths[name])
            for index, name in enumerate(names)
        ]
        print("  ".join(cells).rstrip())
