"""A run whose process was killed between its record and its report."""

from pathlib import Path

import pytest

from trifold.cli.main import run
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

DRAWN = ("report.html", "README.md", "confusion.png")


def test_resuming_a_finished_run_makes_what_it_lacks(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    finetune(Request(reviews), "tfidf", folder)
    before = (folder / "report.html").read_text()
    manifest = (folder / "manifest.json").read_text()
    for name in DRAWN:
        (folder / name).unlink()
    flags = ["--method", "tfidf", "--output-dir", str(folder), "--resume"]
    assert run(["finetune", str(reviews), *flags]) == 0
    assert f"Report: {folder / 'report.html'}\n" in capsys.readouterr().out
    assert (folder / "report.html").read_text() == before
    assert (folder / "manifest.json").read_text() == manifest
    assert all((folder / name).is_file() for name in DRAWN)


def test_a_report_that_cannot_be_made_is_not_claimed(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("trifold.pipeline.drawn_run.write_report", broken)
    assert run(["finetune", str(reviews), "--method", "tfidf", "--output-dir", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "Report:" not in printed.out
    assert f"\n{tmp_path / 'run'}\n" in printed.out
    assert "report.html cannot be made (OSError: no room)" in printed.err
