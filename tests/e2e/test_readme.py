"""Every command that the README shows is run, in its order, as a reader would."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shown_commands import ROOT, blocks, commands, fewer_reviews

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.slow
def test_every_command_in_it_works(tmp_path: Path, trifold_command: Callable[..., Any]) -> None:
    """`movie.csv` is stood in for by a quarter of the demo's reviews, so that the test takes minutes."""
    fewer_reviews(tmp_path / "movie.csv")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "pretraining.md", tmp_path / "docs")
    found = commands(README)
    assert len(found) >= 8
    for command in found:
        words = shlex.split(command)
        if words[0] == "make":
            # These set up an environment of their own; continuous integration runs `make test`, and this is part of it.
            done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        else:
            assert words[0] == "trifold", command
            done = trifold_command(*words[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert "this model knows nothing yet" not in done.stderr, command


@pytest.mark.slow
def test_the_python_example_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for block in blocks(README, "python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
