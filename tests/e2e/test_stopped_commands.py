"""Ctrl-C and SIGTERM end a command alike: what was begun is cleared away, and what is kept is told."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from scripted_server import Reply, scripted
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
PROMPT = 'task = "Text: {text}"\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'


def stopped(how: signal.Signals, begun: Callable[[], object], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that gets a signal once it has begun."""
    command = [sys.executable, "-m", "trifold", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not begun():
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(how)
        out, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    return process.returncode, out, said


@pytest.mark.parametrize(("how", "code"), STOPS)
def test_a_result_that_was_begun_is_cleared_away_and_that_is_told(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    run = finetune(Request(write_reviews(tmp_path / "some.csv", 60)), "tfidf", tmp_path / "run", announce=False).folder
    data, place = write_reviews(tmp_path / "many.csv", 100_000), tmp_path / "place"
    place.mkdir()
    output = place / "out.csv"
    ended, out, said = stopped(how, lambda: any(place.glob("*.partial")), "predict", run, data, "--output", output)
    assert (ended, out) == (code, "")
    assert list(place.iterdir()) == []
    assert said.splitlines()[-2:] == [
        f"note: {output} is not written, since a result appears whole or not at all: nothing of it is kept",
        "trifold: stopped",
    ]


@pytest.mark.parametrize(("how", "code"), STOPS)
def test_answers_of_a_language_model_are_kept_in_the_log_and_that_is_told(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    data, place = write_reviews(tmp_path / "some.csv", 200), tmp_path / "place"
    place.mkdir()
    (tmp_path / "prompt.toml").write_text(PROMPT)

    def answer(_: int, body: dict[str, Any]) -> Reply:
        del body
        time.sleep(0.05)
        return Reply("good")

    with scripted(answer) as server:
        more = ("--prompt", tmp_path / "prompt.toml", "--llm", server.llm, "--log", tmp_path / "log")
        command = ("label", data, *more, "--label-as", "said", "--output", place / "out.csv")
        ended, _, said = stopped(how, lambda: len(server.requests) > 20, *command)
        assert ended == code
        asked = len(server.requests)
        again = subprocess.run([sys.executable, "-m", "trifold", *map(str, command)], capture_output=True, check=False)
    assert "the answers so far are in the log, and the same command asks for the rest alone\n" in said
    assert again.returncode == 0
    assert asked < 200
    assert len(server.requests) <= 200 + 1
    assert {path.name for path in place.iterdir()} >= {"out.csv"}


def test_a_comparison_that_is_terminated_gives_the_verdict_from_what_is_done(tiny_model: Path, tmp_path: Path) -> None:
    data, folder = write_reviews(tmp_path / "some.csv", 120), tmp_path / "run"
    flags = ("--methods", "tfidf,full", "--model", tiny_model, "--epochs", 500, "--device", "cpu")
    ended, out, said = stopped(
        signal.SIGTERM, (folder / "leaderboard.csv").exists, "compare", data, *flags, "--output-dir", folder
    )
    assert ended == 143
    assert out.splitlines()[-1] == str(folder)
    assert "stopping; the verdict comes from what is done" in said
    assert (folder / "best" / "run.json").is_file()
    assert "full is missing" in out
    assert f"stopped: the same command with --output-dir {folder} --resume goes on with what is missing\n" in said
