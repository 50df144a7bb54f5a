"""What every rival reads: the texts and labels of one part."""

import csv
from pathlib import Path


def read(folder: str, part: str) -> tuple[list[str], list[str]]:
    """Texts and labels of `FOLDER/PART.csv`, in the file's order."""
    with (Path(folder) / f"{part}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]
