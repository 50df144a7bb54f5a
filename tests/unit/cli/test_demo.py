"""`demo` is `compare` on the reviews that come with Trifold, and is resumed as it is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trifold.cli.main import run


@pytest.mark.parametrize("resume", [False, True])
def test_the_demo_resumes_as_compare_does(resume: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def compare(request: Any, settings: Any, output_dir: Path, *, resume: bool) -> Any:
        seen.append((request.data.name, request.reading.merge_labels, output_dir, resume))
        return SimpleNamespace(interrupted=False)

    monkeypatch.setattr("trifold.pipeline.compare.compare", compare)
    monkeypatch.setattr("trifold.cli.train._print_comparison", lambda *_given, **_named: None)
    assert run(["demo", "--output-dir", str(tmp_path), *(["--resume"] if resume else [])]) == 0
    assert seen == [("reviews.csv", True, tmp_path, resume)]


def test_resuming_the_demo_needs_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--resume"]) == 2
    assert "--resume needs the --output-dir of the comparison that is to go on" in capsys.readouterr().err
