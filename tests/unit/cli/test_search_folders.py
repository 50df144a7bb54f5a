"""`trifold search build FOLDER`: documents of several kinds, and what is said of those that cannot be read."""

import json
from pathlib import Path

import pytest

from trifold.cli.main import run


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "old").mkdir(parents=True)
    (folder / "old" / "robot.md").write_text("# A robot\n\nThe plot is thin.")
    (folder / "bank.html").write_text("<title>Banks</title><p>A tedious script.</p>")
    (folder / "broken.txt").write_bytes(bytes(range(256)))
    return folder


def test_a_folder_is_indexed_and_what_cannot_be_read_is_said(
    papers: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = str(tmp_path / "index")
    build = ["search", "build", str(papers), "--index", index, "--model", str(tiny_model)]
    assert run(build) == 0
    shown = capsys.readouterr()
    assert "note: left out: broken.txt: it is binary, not text" in shown.err
    assert "2 documents" in shown.out
    assert run(["search", "query", index, "tedious script", "--top-k", "1", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["id"] == "bank.html"
    assert answer["file"] == str(papers / "bank.html")
    assert answer["metadata"] == {"path": "bank.html", "title": "Banks", "page": None}
    (papers / "new.txt").write_text("A superb cast.")
    assert run([*build, "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["encoded"], built["unchanged"]) == (1, 2)
    assert run([*build, "--on-bad-rows", "fail"]) == 2
    assert "broken.txt: it is binary, not text; correct it" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [("--text-column", "text"), ("--id-column", "id"), ("--no-header",)])
def test_flags_of_tables_are_refused(
    papers: Path, tmp_path: Path, flag: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "build", str(papers), "--index", str(tmp_path / "index"), *flag]) == 2
    assert "with a folder is not allowed" in capsys.readouterr().err
