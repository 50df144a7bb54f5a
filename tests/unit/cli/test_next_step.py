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
    # It has no true labels, so that nothing can be measured on it.
    for header in ("text", "remark"):
        done = piped(f"{header}\na superb film\na dull film\n", "predict", words, "-", "--output", output, "--force")
        assert done.returncode == 0, done.stderr
        assert "does not name" not in done.stderr
        assert "next:" not in done.stderr
        assert output.read_text().splitlines()[1].startswith("a superb film,good,")
    done = piped("text,label\na superb film,good\n", "predict", words, "-", "--output", output, "--force")
    assert done.stderr.splitlines()[-1] == f"next: trifold evaluate {words} {output}"
    found = piped("text,label\n" + 30 * "a film,good\na film,good\na book,bad\n", "duplicates", "-")
    assert found.returncode == 0, found.stderr
    assert found.stderr.splitlines()[-1] == "next: trifold duplicates FILE.csv --drop --output kept.csv"


def test_a_result_is_not_proposed_to_be_overwritten_and_the_flags_given_are_kept(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = write_reviews(tmp_path / "rows.csv", 20, seed=3), tmp_path / "labelled.parquet"
    asked = ["predict", str(words), str(data), "--text-column", "text", "--probabilities", "--device", "cpu"]
    assert run([*asked, "--output", str(output)]) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    sure = tmp_path / "labelled-sure.parquet"
    assert last == (
        f"next: trifold predict {words} {data} --text-column text --device cpu --reject-below 0.8 --probabilities "
        f"--output {sure}"
    )
    before = output.read_bytes()
    assert run(last.removeprefix("next: trifold ").split()) == 0
    following = capsys.readouterr().err.splitlines()[-1]
    assert following == f"next: trifold evaluate {words} {sure} --text-column text --device cpu"
    assert run(following.removeprefix("next: trifold ").split()) == 0
    assert output.read_bytes() == before
    # Such a file is there now, and would be overwritten.
    capsys.readouterr()
    assert run([*asked, "--output", str(output), "--force"]) == 0
    assert "labelled-sure" not in capsys.readouterr().err


def test_a_file_without_labels_is_not_proposed_to_be_measured_on(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text("id,text\n1,xyz\n2,qqq zzz\n")
    asked = ["predict", str(words), str(tmp_path / "new.csv"), "--reject-below", "0.999", "--output"]
    assert run([*asked, str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr().err
    assert "note: the model is less sure than 0.999 of all rows: a lower --reject-below labels more" in said
    assert "next:" not in said


def test_a_run_without_a_graph_is_not_proposed_to_be_exported(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_reviews(tmp_path / "rows.csv", 20, seed=3)
    assert run(["evaluate", str(words), str(data)]) == 0
    last = f"next: trifold predict {words} FILE.csv --output labelled.csv"
    assert capsys.readouterr().err.splitlines()[-1] == last
    assert run(["bench", str(words), str(data), "--seconds", "0.05"]) == 0
    assert "export" not in capsys.readouterr().err
