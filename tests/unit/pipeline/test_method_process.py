"""A method in a process of its own: why there is no run is told in one sentence."""

from pathlib import Path

from conftest import write_reviews
from trifold.pipeline.contestants import Contestant
from trifold.pipeline.method_process import run_in_own_process
from trifold.pipeline.request import Request, open_task


def test_the_reason_of_a_failure_is_the_commands_own(tmp_path: Path) -> None:
    one = Contestant("tfidf", Request(write_reviews(tmp_path / "some.csv")))
    reason = run_in_own_process(one, tmp_path / "run", "another digest", None, lambda: False)
    assert reason
    assert "is not what the comparison read: it was changed since" in reason
    assert not (tmp_path / "run").exists()


def test_it_is_stopped_at_its_time_limit_and_when_the_user_stops_everything(tmp_path: Path) -> None:
    one = Contestant("tfidf", Request(write_reviews(tmp_path / "some.csv")))
    digest = open_task(one.request).digest
    assert run_in_own_process(one, tmp_path / "run", digest, 0.0, lambda: False) == "stopped at the time limit"
    assert run_in_own_process(one, tmp_path / "run", digest, None, lambda: True) == "stopped before its end"
