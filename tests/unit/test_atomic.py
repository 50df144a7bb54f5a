"""Files appear whole, one process writes at a time, and a dead owner blocks nobody."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trifold.artifact.manifest import write_manifest
from trifold.atomic import kept_folder, whole_file, write_json, write_text
from trifold.errors import SettingsError
from trifold.evaluate.leaderboard import write_leaderboard
from trifold.events import say_once
from trifold.file_lock import locked

HOLD = """
import sys, time
from pathlib import Path
from trifold.file_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_process_holding(target: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def take(target: Path, wait_seconds: float = 0.0) -> None:
    with locked(target, "go away", wait_seconds):
        pass


def test_the_owner_of_a_lock_is_named_and_a_dead_one_blocks_nobody(tmp_path: Path) -> None:
    with another_process_holding(tmp_path / "run") as owner:
        with pytest.raises(SettingsError, match=rf"run is being written by process {owner.pid} on .*, or go away$"):
            take(tmp_path / "run")
        # Another name for the same place does not help.
        (tmp_path / "link").symlink_to(tmp_path)
        with pytest.raises(SettingsError, match="is being written"):
            take(tmp_path / "link" / "run")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        take(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_an_owner_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    with another_process_holding(tmp_path / "run") as owner:
        owner.terminate()
        take(tmp_path / "run", wait_seconds=30)


def test_where_there_are_no_locks_that_is_said_and_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unsupported(_handle: int, _operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    say_once.cache_clear()
    with locked(tmp_path / "run") as alone:
        assert not alone
    assert "there are no file locks here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_json(path, {"a": 1})

    def fail() -> None:
        with whole_file(path) as aside:
            aside.write_text("half")
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail()
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_a_file_that_appeared_meanwhile_is_not_replaced_and_the_new_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "prompt.toml"

    def write() -> None:
        with whole_file(path, replace=False) as aside:
            aside.write_text("new")
            path.write_text("old")

    with pytest.raises(FileExistsError, match=r"kept in .*prompt-2\.toml"):
        write()
    assert path.read_text() == "old"
    assert (tmp_path / "prompt-2.toml").read_text() == "new"


def test_a_pipe_is_written_into_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as aside:
        aside.write_text("text")
    assert os.read(reading, 10) == b"text"
    os.close(reading)
    assert pipe.is_fifo()


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_file(tmp_path / "link") as aside:
        aside.write_text("text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "text"


def test_names_of_the_greatest_length_have_room_beside_them(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".csv")
    with whole_file(path) as aside:
        aside.write_text("text")
    assert path.read_text() == "text"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_one_process_makes_what_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "corpora" / "abc"
    for number in range(2):
        with kept_folder(folder, "facts.json") as aside:
            assert (aside is None) == (number == 1)
            if aside:
                (aside / "facts.json").write_text("{}")
    assert [path.name for path in folder.parent.iterdir()] == ["abc"]


def test_a_link_where_a_lock_has_to_be_is_refused_and_what_it_leads_to_is_kept(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".out.csv.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(SettingsError, match="is a link, where the file of a lock has to be: remove it"):
        take(tmp_path / "out.csv")
    assert (tmp_path / "victim").read_text() == "mine"


def test_an_owner_whose_lock_was_removed_leaves_the_next_ones_alone(tmp_path: Path) -> None:
    lock = tmp_path / ".run.lock"
    with locked(tmp_path / "run"):
        lock.unlink()
        lock.write_text("the next one's")
    assert lock.read_text() == "the next one's"


def test_in_a_folder_that_others_may_fill_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    for name in ("run.json", "leaderboard.csv", "manifest.json"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    write_json(tmp_path / "run.json", {})
    write_text(tmp_path / "report.html", "page")
    write_leaderboard(tmp_path, [])
    write_manifest(tmp_path)
    assert (tmp_path / "victim").read_text() == "mine"
    assert all(path.is_file() and not path.is_symlink() for path in tmp_path.iterdir())


def test_a_pipe_is_written_as_it_is_by_whatever_link_leads_to_it() -> None:
    reader, writer = os.pipe()
    with whole_file(Path(f"/dev/fd/{writer}")) as place:
        place.write_text("whole")
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "whole"
