"""How long passes take, learned from them."""

import pytest

from trifold.serve.pace import Pace


def _of(*passes: tuple[int, float]) -> Pace:
    pace = Pace()
    for tokens, seconds in passes:
        pace.add(tokens, seconds)
    return pace


def test_the_fixed_part_and_the_part_per_token_are_told_apart() -> None:
    pace = _of(*[(tokens, 0.002 + tokens / 50_000) for tokens in (5, 250, 30, 1_000, 80)])
    assert pace.fixed_seconds == pytest.approx(0.002)
    assert pace.seconds_per_token == pytest.approx(1 / 50_000)
    assert pace.tokens_within(0.012) == pytest.approx(500, abs=1)


def test_a_machine_that_gets_slower_is_noticed() -> None:
    pace = _of(*[(tokens, tokens / 50_000) for tokens in (10, 500)] * 200)
    for tokens in (10, 500) * 200:
        pace.add(tokens, tokens / 10_000)
    assert pace.seconds_per_token == pytest.approx(1 / 10_000, rel=0.05)


def test_passes_of_one_length_tell_their_mean() -> None:
    pace = _of(*[(100, 0.01)] * 5)
    assert pace.seconds_per_token == pytest.approx(1e-4)
    assert pace.fixed_seconds == pytest.approx(0, abs=1e-9)


def test_noise_makes_nothing_free_of_charge() -> None:
    pace = _of((10, 0.5), (1_000, 0.01), (10, 0.4))
    assert pace.seconds_per_token > 0
    assert pace.fixed_seconds >= 0


def test_what_never_ran_is_guessed() -> None:
    assert Pace().tokens_within(0.01) == 100
