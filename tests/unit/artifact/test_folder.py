"""Run folders appear whole or not at all, and damage is named."""

from pathlib import Path

import pytest

from trifold.artifact.folder import choose_folder, new_folder
from trifold.artifact.manifest import verify_model
from trifold.errors import ArtifactError, SettingsError


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "run") as folder:
            (folder / "file").write_text("half")
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_folder_can_be_read_by_others_and_verified(tmp_path: Path) -> None:
    with new_folder(tmp_path / "run") as folder:
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text("1234")
    run = tmp_path / "run"
    assert run.stat().st_mode & 0o055 == 0o055
    verify_model(run)
    (run / "model" / "weights").write_text("1235")
    with pytest.raises(ArtifactError, match="weights is damaged"):
        verify_model(run)


def test_a_folder_in_use_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="exists and is not empty"):
        choose_folder(tmp_path, "full")


def test_default_folders_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = choose_folder(None, "full")
    first.mkdir(parents=True)
    assert choose_folder(None, "full") != first


def test_a_place_that_cannot_be_written_to_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def write() -> None:
        with new_folder(tmp_path / "file" / "run"):
            pass

    with pytest.raises(SettingsError, match="cannot be written to"):
        write()
