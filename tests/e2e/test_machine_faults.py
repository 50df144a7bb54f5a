"""What the machine refuses is one sentence and exit code 2, and what is finished is kept."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from warm_commands import Command


def in_shell(line: str, *arguments: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A command started cold, as a shell does it: `line` holds "$@" where the command stands."""
    command = [sys.executable, "-m", "trifold", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", line, "bash", *command],
        capture_output=True, text=True, check=False, timeout=300, cwd=cwd, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def sentences(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert "Traceback" not in done.stderr, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("trifold: ")]


@pytest.mark.parametrize(
    ("redirected", "reason"),
    [(">/dev/full", "no space is left"), (">&-", "Bad file descriptor")],
    ids=["full", "closed"],
)
def test_a_result_that_cannot_be_printed_is_kept_and_told(
    redirected: str, reason: str, reviews: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = in_shell(f'"$@" {redirected}', "finetune", reviews, "--method", "tfidf", "--output-dir", run)
    assert done.returncode == 2
    assert sentences(done)[0].startswith(f"trifold: what was printed could not be written: {reason}")
    assert len(sentences(done)) == 1
    assert (run / "manifest.json").is_file()


def test_a_reader_that_has_had_enough_is_no_fault(reviews: Path) -> None:
    for command in (("check", reviews, "--quiet"), ("--help",)):
        done = in_shell('set -o pipefail; "$@" | true', *command)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"], ids=["full", "closed"])
def test_messages_that_nobody_can_read_end_no_training(redirected: str, reviews: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = in_shell(f'"$@" {redirected}', "finetune", reviews, "--method", "tfidf", "--output-dir", run)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == str(run)
    assert "training" in done.stdout.splitlines()[0], "messages do not go to standard output instead"


@pytest.mark.parametrize("method", ["tfidf", "features", "full"])
def test_a_file_that_may_not_grow_is_told_and_leaves_nothing(
    method: str, reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    flags = ("--method", method, "--model", tiny_model, "--epochs", 1) if method == "full" else ("--method", method)
    flags = (*flags, "--model", tiny_model) if method == "features" else flags
    done = in_shell('ulimit -f 4; "$@"', "finetune", reviews, *flags, "--output-dir", tmp_path / "run")
    assert done.returncode == 2
    (said,) = sentences(done)
    assert "run could not be written: the file is larger than is allowed here" in said
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_finds_no_room_does_not_end_the_training(reviews: Path, tiny_model: Path, tmp_path: Path) -> None:
    flags = ("--method", "full", "--model", tiny_model, "--epochs", 3, "--save-steps", 5)
    # A state holds the weights and much more; one block is 1,024 bytes.
    done = in_shell('ulimit -f 400; "$@"', "finetune", reviews, *flags, "--output-dir", tmp_path / "run")
    assert "is not saved: the file is larger than is allowed here" in done.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_a_temporary_folder_that_is_missing_is_told(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    run = tmp_path / "run"
    assert trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", run).returncode == 0
    code = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
        "from trifold.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", str(run)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 2
    assert "No usable temporary directory found" in sentences(done)[0]


def test_a_target_that_another_process_writes_is_refused_with_its_name(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    from trifold.file_lock import locked

    with locked(tmp_path / "run"):
        done = trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", tmp_path / "run")
    assert done.returncode == 2
    assert "run is being written by process" in sentences(done)[0]
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_that_is_killed_takes_its_child_with_it(reviews: Path, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "compared"
    flags = ("--methods", "full", "--model", tiny_model, "--epochs", "500", "--patience", "500")
    command = ["compare", str(reviews), *map(str, flags), "--output-dir", str(folder)]
    lock = folder / ".full.lock"
    with subprocess.Popen([sys.executable, "-m", "trifold", *command], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while not (lock.exists() and lock.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
        child = int(lock.read_text().split()[0])
        assert child != process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    from trifold.file_lock import locked

    # It ends at once, and the lock of its folder with it.
    with locked(folder / "full", wait_seconds=60):
        pass


def test_a_device_as_output_stays_a_device(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    run = tmp_path / "run"
    assert trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", run).returncode == 0
    # By a link, which is all that could be lost.
    output = tmp_path / "output"
    output.symlink_to("/dev/full")
    done = trifold_command("predict", run, reviews, "--output", output)
    assert done.returncode == 2
    assert "no space is left" in sentences(done)[0]
    assert output.is_char_device()


def test_what_the_terminals_encoding_lacks_is_spelt_out(tmp_path: Path, trifold_command: Command) -> None:
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(f"größer {n},{'ab'[n % 2]}\n" for n in range(20)))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = trifold_command("check", tmp_path / "data.csv", env=environment)
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfer" in done.stdout
