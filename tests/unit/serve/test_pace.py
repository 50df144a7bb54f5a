"""How long passes take, learned from them."""

import pytest

from trifold.serve.pace import Pace


def _of(*passes: tuple[int, float]) -> Pace:
    pace = Pace()
    for tokens, seconds in passes:
        pace.add(tokens, seconds)
    return pace


def test_passes_between_known_ones_lie_on_the_line_through_these() -> None:
    pace = _of((5, 0.002), (250, 0.010), (1_000, 0.040))
    assert pace.seconds(5) == pytest.approx(0.002)
    assert pace.seconds(625) == pytest.approx(0.025)
    assert pace.seconds(2_000) == pytest.approx(0.080)
    # The shortest pass has its fixed part.
    assert pace.seconds(2) == pytest.approx(0.002)


def test_tokens_are_found_that_fill_a_time() -> None:
    pace = _of((5, 0.002), (250, 0.010), (1_000, 0.040))
    assert pace.tokens_within(0.020) == 500
    assert pace.tokens_within(0.004) == 10
    assert pace.tokens_within(0.001) == 2


def test_a_machine_that_gets_slower_is_noticed() -> None:
    pace = _of(*[(tokens, tokens / 50_000) for tokens in (10, 500)] * 200)
    for tokens in (10, 500) * 200:
        pace.add(tokens, tokens / 10_000)
    assert pace.seconds_per_token == pytest.approx(1 / 10_000, rel=0.05)
    assert pace.seconds(500) == pytest.approx(0.05)


def test_long_passes_change_nothing_of_what_is_known_of_short_ones() -> None:
    pace = _of((5, 0.002), *[(250, 0.010), (250, 0.4)] * 50)
    assert pace.seconds(5) == pytest.approx(0.002)


def test_what_never_ran_is_guessed() -> None:
    assert Pace().tokens_within(0.01) == 100
    assert Pace().seconds(100) == pytest.approx(0.01)
