"""Run folders appear whole or not at all, and damage is named."""

import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import choose_folder, new_file, new_folder, require_free_file
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.file_lock import locked


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
    # Of two processes that choose in the same second, too.
    assert choose_folder(None, "full") != choose_folder(None, "full")


def test_a_place_that_cannot_be_written_to_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def write() -> None:
        with new_folder(tmp_path / "file" / "run"):
            pass

    with pytest.raises(SettingsError, match="cannot be written to"):
        write()


def test_a_finished_result_stays_beside_what_was_put_in_its_place(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def train() -> None:
        with new_folder(run) as folder:
            (folder / "weights").write_text("1234")
            run.mkdir()
            (run / "note.txt").write_text("precious")

    with pytest.raises(ArtifactError, match=r"the finished result is kept in .*run-2"):
        train()
    assert (tmp_path / "run-2" / "weights").read_text() == "1234"
    assert (tmp_path / "run-2" / "manifest.json").is_file()
    assert (run / "note.txt").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2"]


def test_the_state_of_a_training_gives_way_to_its_result(tmp_path: Path) -> None:
    with new_folder(tmp_path / "run") as folder:
        (folder / "weights").write_text("1234")
        (tmp_path / "run" / "state" / "step-8").mkdir(parents=True)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["manifest.json", "weights"]


def test_of_two_at_once_the_second_is_told_who_writes(tmp_path: Path) -> None:
    def second() -> None:
        with new_folder(tmp_path / "run"):
            pass

    with new_folder(tmp_path / "run") as folder:
        with pytest.raises(SettingsError, match=rf"is being written by process {os.getpid()} on .*--output-dir"):
            second()
        assert folder.is_dir()
    with pytest.raises(SettingsError, match="exists and is not empty"):
        second()


def test_what_a_dead_process_left_is_cleared_away_and_what_it_finished_is_kept(tmp_path: Path) -> None:
    for name in (".run.0123abcd.partial", ".run.0123abce.partial", ".other.0123abcd.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / ".run.0123abce.partial" / "manifest.json").write_text("{}")
    (tmp_path / ".run.lock").write_text("4711 on elsewhere")
    with new_folder(tmp_path / "run"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.0123abcd.partial", "run", "run-2"]


def test_a_full_disk_is_told_with_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    def train() -> None:
        with new_folder(tmp_path / "run") as folder:
            (folder / "weights").write_text("12")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(ArtifactError, match="run could not be written: no space is left: free some"):
        train()
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with new_folder(tmp_path / "link") as folder:
        (folder / "weights").write_text("1234")
    assert (tmp_path / "real" / "weights").is_file()
    assert (tmp_path / "link").is_symlink()


def test_a_result_file_whose_place_is_taken_by_a_folder_is_kept(tmp_path: Path) -> None:
    def write() -> None:
        with new_file(tmp_path / "out.csv") as aside:
            aside.write_text("text")
            (tmp_path / "out.csv").mkdir()

    with pytest.raises(DataError, match=r"it is kept in .*out-2\.csv"):
        write()
    assert (tmp_path / "out-2.csv").read_text() == "text"


@pytest.mark.parametrize("inside", ["state", "tfidf"])
def test_nobody_is_told_to_remove_what_another_process_is_at_work_on(tmp_path: Path, inside: str) -> None:
    (tmp_path / "run" / inside).mkdir(parents=True)
    with locked(tmp_path / "run"), pytest.raises(SettingsError, match="is being written by process"):
        choose_folder(tmp_path / "run", "full")
    with pytest.raises(SettingsError, match="remove it"):
        choose_folder(tmp_path / "run", "full")


def test_an_output_is_not_blamed_for_what_failed_elsewhere(tmp_path: Path) -> None:
    def write() -> None:
        with new_file(tmp_path / "out.csv"):
            (tmp_path / "input.csv").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"input\.csv"):
        write()


@pytest.mark.parametrize("name", ["run/model/head.csv", "run/out.csv", "link/out.csv"])
def test_no_result_is_written_into_a_run_folder(tmp_path: Path, name: str) -> None:
    with new_folder(tmp_path / "run") as folder:
        (folder / "model").mkdir()
        (folder / "run.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "run" / "model")
    with pytest.raises(SettingsError, match=r"is inside the run folder .*run: name a file elsewhere as --output"):
        require_free_file(tmp_path / name, force=True)
    require_free_file(tmp_path / "out.csv")
