"""Every command of the recipes is run, in its order, on less data; where a page compares all methods, the quick ones."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shown_commands import ROOT, blocks, commands, fewer_reviews

DOCS = ROOT / "docs"
RECIPES = sorted(page for page in (DOCS / "recipes").glob("*.md") if page.name != "index.md")
# Of the made-up data.
SHARES = {
    "tickets": 0.4,
    "spam": 0.5,
    "topics": 0.3,
    "departments": 0.3,
    "contracts": 0.25,
    "german": 0.2,
    "logbook": 0.3,
}
QUICK = ("--methods", "zero-shot,tfidf")


@pytest.mark.slow
@pytest.mark.parametrize("page", [DOCS / "index.md", *RECIPES], ids=lambda page: page.stem)
def test_every_command_works(page: Path, tmp_path: Path, trifold_command: Callable[..., Any]) -> None:
    fewer_reviews(tmp_path / "movie.csv")
    fewer_reviews(tmp_path / "examples" / "reviews.csv")
    found = commands(page.read_text(encoding="utf-8"))
    assert len(found) >= 3
    for command in found:
        program, *words = shlex.split(command)
        if program == "python":
            words = [sys.executable, str(ROOT / words[0]), words[1], str(SHARES[words[1]])]
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        else:
            assert program == "trifold", command
            quick = QUICK if words[0] == "compare" and "--methods" not in words else ()
            done = trifold_command(*words, *quick, cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_python_page_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (block,) = blocks((DOCS / "python.md").read_text(encoding="utf-8"), "python")
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_a_recipe_is_one_page_with_real_output_and_what_to_do_next(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 130
    assert blocks(text, "text")
    assert "How to read it:" in text
    assert "## What next" in text
    assert f"({page.name})" in (DOCS / "recipes" / "index.md").read_text(encoding="utf-8")
