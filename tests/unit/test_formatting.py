"""Numbers in words."""

import pytest

from trifold.formatting import counted, duration


@pytest.mark.parametrize(("number", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (4_000, "4,000 rows")])
def test_one_is_told_from_many(number: int, words: str) -> None:
    assert counted(number, "row") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "0.8 s"), (41.6, "42 s"), (185.0, "3 min 05 s"), (3_599.6, "1 h 00 min"), (7_800.0, "2 h 10 min")],
)
def test_seconds_become_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
