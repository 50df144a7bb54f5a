"""Numbers in words."""

import pytest

from trifold.formatting import counted, duration, interval, percent, points, points_up, server_address, shortened, speed


@pytest.mark.parametrize(("number", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (4_000, "4,000 rows")])
def test_one_is_told_from_many(number: int, words: str) -> None:
    assert counted(number, "row") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "0.8 s"), (41.6, "42 s"), (185.0, "3 min 05 s"), (3_599.6, "1 h 00 min"), (7_800.0, "2 h 10 min")],
)
def test_seconds_become_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_fractions_become_per_cent_and_points() -> None:
    assert (percent(0.8612), interval(0.794, 0.921)) == ("86.1 %", "79.4 to 92.1")
    # No figure is less than nothing by rounding.
    assert [points(value) for value in (-0.0004, -0.009, 0.0)] == ["0.0", "-0.9", "0.0"]


@pytest.mark.parametrize(
    ("bound", "words"), [(0.0101, "1.1"), (0.01, "1.0"), (0.010000000001, "1.0"), (-0.0004, "0.0")]
)
def test_a_bound_is_rounded_up(bound: float, words: str) -> None:
    assert points_up(bound) == words


def test_a_long_text_is_shortened_to_one_line() -> None:
    assert shortened("one\n two", 10) == "one two"
    assert shortened("a" * 30, 10) == "a" * 9 + "…"


@pytest.mark.parametrize(
    ("count", "seconds", "shown"),
    [(1, 25.0, "25 s each"), (0, 5.0, "5.0 s each"), (34, 10.0, "3.4 a second"), (24_000, 20.0, "1,200 a second")],
)
def test_less_than_one_a_second_is_seconds_each(count: int, seconds: float, shown: str) -> None:
    assert speed(count, seconds) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://huggingface.co", "https://huggingface.co"),
        ("https://user:SECRET@hf.example", "https://hf.example"),
        ("http://user:SE/CR@ET@[::1]:80/v1?key=SECRET", "http://[::1]:80"),
        ("user:SECRET@hf.example/v1", "hf.example"),
    ],
)
def test_a_servers_address_holds_no_secret(url: str, shown: str) -> None:
    assert server_address(url) == shown
