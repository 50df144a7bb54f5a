"""The made-up data of the recipes are what their pages say."""

import csv
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "recipes" / "make_data.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for name in runpy.run_path(str(SCRIPT))["ROWS"]:
        subprocess.run([sys.executable, SCRIPT, name], cwd=folder, check=True, capture_output=True)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_no_text_comes_twice_and_no_slot_is_left_open(made: Path) -> None:
    for path in made.glob("*.csv"):
        texts = [row["text"] for row in rows(path)]
        assert len(set(texts)) == len(texts) >= 40, path.name
        assert not any("{" in text or "}" in text for text in texts), path.name


def test_the_numbers_are_those_of_the_pages(made: Path) -> None:
    def labels(name: str) -> Counter[str]:
        return Counter(row["label"] for row in rows(made / f"{name}.csv"))

    assert len(labels("tickets")) == 70
    assert 0.035 <= labels("spam")["spam"] / labels("spam").total() <= 0.065
    assert set(labels("departments").values()) == {8}
    assert len(labels("departments")) == len(labels("departments-test")) == 5
    assert any("|" in label for label in labels("topics"))
    assert "" in labels("topics")
    assert min(len(row["text"].split()) for row in rows(made / "contracts.csv")) > 450


def test_the_same_command_makes_the_same_rows(made: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, "german"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "german.csv").read_bytes() == (made / "german.csv").read_bytes()


def test_a_name_that_is_unknown_is_told_what_there_is() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "novels"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "tickets" in done.stderr
