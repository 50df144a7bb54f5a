"""The step that is proposed last can be taken as it stands there."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    data = write_reviews(folder / "reviews.csv", 60)
    return finetune(Request(data), "tfidf", folder / "run", announce=False).folder


def test_the_file_that_was_written_is_named(words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = write_reviews(tmp_path / "rows.csv", 20, seed=3), tmp_path / "certain.csv"
    assert run(["predict", str(words), str(data), "--output", str(output), "--reject-below", "0.6"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"next: trifold evaluate {words} {output}"


def piped(text: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trifold", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_standard_input_is_read_from_the_column_of_the_run_and_not_named_as_what_comes_next(
    words: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    for header in ("text", "remark"):
        done = piped(f"{header}\na superb film\na dull film\n", "predict", words, "-", "--output", output, "--force")
        assert done.returncode == 0, done.stderr
        assert "does not name" not in done.stderr
        assert done.stderr.splitlines()[-1] == f"next: trifold evaluate {words} {output}"
        assert output.read_text().splitlines()[1].startswith("a superb film,good,")
    found = piped("text,label\n" + 30 * "a film,good\na film,good\na book,bad\n", "duplicates", "-")
    assert found.returncode == 0, found.stderr
    assert found.stderr.splitlines()[-1] == "next: trifold duplicates FILE.csv --drop --output kept.csv"
