"""Experiment trackers that cannot be used are named together with what to install."""

import sys
from pathlib import Path

import pytest

from trifold.errors import SettingsError
from trifold.train.tracking import report, reporting


def test_without_accelerate_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with (
        pytest.raises(SettingsError, match=r"--report-to tensorboard needs accelerate: pip install 'trifold\[track\]'"),
        reporting("tensorboard", "run", {}, tmp_path / "trackers"),
    ):
        pytest.fail("training has begun")
    assert not (tmp_path / "trackers").exists()


def test_nothing_is_imported_or_written_where_no_tracker_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with reporting("none", "run", {}, tmp_path / "trackers"):
        report({"loss": 1.0}, 1)
    assert not (tmp_path / "trackers").exists()
