"""The run that texts are tried on is the one that lies in its place at that moment."""

import shutil
from pathlib import Path

from serving import small_run
from trifold.app.trying import TriedRun


def test_a_run_that_is_put_into_the_same_place_is_the_one_that_answers(tmp_path: Path) -> None:
    best, other = small_run(tmp_path / "best"), small_run(tmp_path / "other", good="dull", bad="superb")
    tried = TriedRun()
    assert tried.answer(best, "a superb film", "").labels == ("good",)
    shutil.rmtree(best)
    shutil.copytree(other, best)
    assert tried.answer(best, "a superb film", "").labels == ("bad",)
