"""A training that is killed goes on and ends with the very same weights."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from warm_commands import Command

FLAGS = ("--method", "full", "--lr", "3e-3", "--epochs", "6", "--save-steps", "2")


def arguments(reviews: Path, model: Path, folder: Path, *more: str) -> list[str]:
    return ["finetune", str(reviews), "--model", str(model), *FLAGS, "--output-dir", str(folder), *more]


def outcome(folder: Path) -> tuple[bytes, list[list[str]]]:
    """The weights' bytes, and the history without its seconds."""
    lines = (folder / "history.csv").read_text().splitlines()
    return (folder / "model" / "model.safetensors").read_bytes(), [line.split(",")[:-1] for line in lines]


@pytest.fixture(scope="module")
def whole(reviews: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = trifold_command(*arguments(reviews, tiny_model, folder))
    assert done.returncode == 0, done.stderr
    assert not (folder / "state").exists()
    return folder


def stop_in_training(command: list[str], folder: Path, how: signal.Signals, states: int) -> tuple[int, str]:
    """Start, send a signal once so many states were saved, and return exit code and what was said."""
    with subprocess.Popen(
        [sys.executable, "-m", "trifold", *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        seen: set[str] = set()
        while len(seen) < states and process.poll() is None:
            seen |= {path.name for path in (folder / "state").glob("step-*")}
            time.sleep(0.002)
        process.send_signal(how)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def test_killed_again_and_again_it_ends_with_the_same_weights(
    reviews: Path, tiny_model: Path, whole: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder, kills = tmp_path / "run", 0
    command = arguments(reviews, tiny_model, folder, "--resume")
    for states in (1, 3, 2):
        code, _ = stop_in_training(command, folder, signal.SIGKILL, states)
        kills += code == -signal.SIGKILL
    assert kills >= 2
    done = trifold_command(*command)
    assert done.returncode == 0, done.stderr
    assert "resumed after step" in done.stderr
    assert outcome(folder) == outcome(whole)
    assert not (folder / "state").exists()


def test_sigterm_saves_and_says_how_to_go_on(
    reviews: Path, tiny_model: Path, whole: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    code, said = stop_in_training(arguments(reviews, tiny_model, folder), folder, signal.SIGTERM, 1)
    assert code == 143
    assert "the same command with --resume goes on from there" in said
    assert [path.name for path in folder.iterdir()] == ["state"]
    refused = trifold_command(*arguments(reviews, tiny_model, folder))
    assert refused.returncode == 2
    assert "holds the state of an unfinished training: add --resume to go on" in refused.stderr
    other = trifold_command(*arguments(reviews, tiny_model, folder, "--resume", "--seed", "7"))
    assert other.returncode != 0
    assert "seed was 42 and is 7" in other.stderr
    done = trifold_command(*arguments(reviews, tiny_model, folder, "--resume"))
    assert done.returncode == 0, done.stderr
    assert outcome(folder) == outcome(whole)
    facts = json.loads((folder / "run.json").read_text())
    assert facts["train_seconds"] > 0
    again = trifold_command(*arguments(reviews, tiny_model, folder, "--resume"))
    assert again.returncode == 0
    assert "is finished: there is nothing to resume" in again.stderr


def test_ctrl_c_ends_a_training_with_130_and_what_is_left_is_said_to_be_unfinished(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    assert stop_in_training(arguments(reviews, tiny_model, folder), folder, signal.SIGINT, 1)[0] == 130
    asked = trifold_command("predict", str(folder), "--text", "fine")
    assert asked.returncode == 2
    assert (
        f"{folder} is an unfinished training, not a run folder: go on with the same command and --resume"
        in asked.stderr
    )


def test_a_finished_training_that_is_to_be_longer_says_how_to_train_on(
    reviews: Path, tiny_model: Path, whole: Path, tmp_path: Path, trifold_command: Command
) -> None:
    longer = [word if word != "6" else "9" for word in arguments(reviews, tiny_model, whole, "--resume")]
    before = outcome(whole)
    done = trifold_command(*longer)
    assert done.returncode == 2
    assert f"{whole} holds another run than is asked for (epochs was 6 and is 9), and is left as it is" in done.stderr
    assert f"another --output-dir, and with it --model {whole} to train on" in done.stderr
    assert done.stderr.count("\n") == 1
    assert outcome(whole) == before
    on = trifold_command(
        "finetune", reviews, "--model", whole, "--method", "full", "--epochs", 1, "--output-dir", tmp_path / "on"
    )
    assert on.returncode == 0, on.stderr
    wider = trifold_command(*arguments(reviews, tiny_model, whole, "--resume", "--max-length", "99"))
    assert "give the same settings, or another --output-dir\n" in wider.stderr, "no length was asked for"


def test_resume_needs_a_folder_to_resume_in(reviews: Path, trifold_command: Command) -> None:
    for verb in ("finetune", "compare"):
        done = trifold_command(verb, reviews, "--resume")
        assert done.returncode == 2
        assert "--resume needs the --output-dir" in done.stderr


def test_a_comparison_keeps_what_is_done(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    flags = ("--output-dir", folder)
    assert trifold_command("compare", reviews, "--methods", "tfidf", *flags).returncode == 0
    both = ("--methods", "tfidf,features", "--model", tiny_model)
    done = trifold_command("compare", reviews, *both, *flags, "--resume")
    assert done.returncode == 0, done.stderr
    assert "tfidf was done before" in done.stderr
    assert {path.name for path in folder.iterdir()} >= {"tfidf", "features", "best", "leaderboard.csv"}
    other = trifold_command("compare", reviews, "--methods", "tfidf", *flags, "--resume", "--seed", 7)
    assert other.returncode == 2
    assert "give the same settings, or another --output-dir" in other.stderr
