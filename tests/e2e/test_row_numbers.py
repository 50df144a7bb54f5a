"""Rows are numbered as records, and their physical line stands beside, also where cells hold line breaks."""

import csv
from pathlib import Path

from warm_commands import Command


def test_predictions_and_errors_name_row_and_line(tmp_path: Path, trifold_command: Command) -> None:
    cells = [(f"a {('fine', 'poor')[n % 2]}\nfilm,\nnumber {n}", ("good", "bad")[n // 2 % 2]) for n in range(60)]
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), ("", "good"), *cells])
    done = trifold_command("finetune", path, "--method", "tfidf", "--output-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    written = path.read_text().splitlines()
    for name in ("predictions.csv", "errors.csv"):
        with (tmp_path / "run" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows
        for row in rows:
            # The first row has no text, and is counted.
            text, label = cells[int(row["row"]) - 2]
            assert row["label"] == label
            assert row.get("text", text) == text
            assert written[int(row["line"]) - 1] == f'"{text.splitlines()[0]}'
