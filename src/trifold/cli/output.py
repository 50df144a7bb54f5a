"""How results are printed: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=_plain)
    print()


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def print_piece(text: str) -> None:
    """A part of a text, shown while the rest is still written."""
    print(text, end="", flush=True)


def print_table(rows: Sequence[Mapping[str, str]], left_aligned: int = 1) -> None:
    """Aligned columns with a header; the first `left_aligned` columns are words, the rest figures."""
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for line in ({name: name for name in names}, *rows):
        cells = [
            line[name].ljust(widths[name]) if index < left_aligned else line[name].rjust(widths[name])
            for index, name in enumerate(names)
        ]
        print("  ".join(cells).rstrip())
