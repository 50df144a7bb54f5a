"""Every command that the README shows is run, in its order, as a reader would."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.slow
def test_every_command_in_it_works(tmp_path: Path, trifold_command: Callable[..., Any]) -> None:
    """`movie.csv` is stood in for by a quarter of the demo's reviews, so that the test takes minutes."""
    with (ROOT / "examples" / "reviews.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "movie.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows[:110])
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    found = commands()
    assert len(found) >= 8
    for command in found:
        words = shlex.split(command)
        if words[0] == "make":
            # These set up an environment of their own; continuous integration runs `make test`, and this is part of it.
            done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        elif words[0] == "git":
            continue
        else:
            assert words[0] == "trifold", command
            done = trifold_command(*words[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.slow
def test_the_python_example_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_file_map_names_what_is_there() -> None:
    section = README[README.index("## Where things are") :]
    listed = re.findall(r"^\| `([\w/.]+)` \|", section, re.MULTILINE)
    assert len(listed) >= 10
    for name in listed:
        assert (ROOT / name).exists() or (ROOT / "src" / "trifold" / name).exists(), name
