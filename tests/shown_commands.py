"""The examples that a document shows: commands after a `$`, and blocks of code."""

import csv
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    """The blocks of one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[str]:
    """The commands of its blocks `console`, in their order."""
    return [line[2:] for block in blocks(document, "console") for line in block.splitlines() if line.startswith("$ ")]


def fewer_reviews(path: Path, rows: int = 110) -> Path:
    """The demo's first reviews, so that a comparison takes seconds."""
    with (ROOT / "examples" / "reviews.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(found[:rows])
    return path
