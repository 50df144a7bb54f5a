"""Conditions of `--where`: what they select, and what is refused."""

import pyarrow as pa
import pytest

from trifold.documents.search.conditions import parse_condition
from trifold.documents.search.where import matching
from trifold.errors import SettingsError

COLUMNS = {
    "year": pa.array([2019, 2020, 2021, None]),
    "price": pa.array([1.5, 2.0, None, 4.25]),
    "label": pa.array(["good", "it's bad", "", "Good; DROP TABLE x"]),
    "code": pa.array(["7", "007", "x", "8.5"]),
    "seen": pa.array([True, False, None, True]),
    "release date": pa.array(["a", "b", "c", "d"]),
}


def chosen(condition: str) -> list[int]:
    found = matching(parse_condition(condition), COLUMNS.__getitem__, list(COLUMNS))
    return [number for number, one in enumerate(found.to_pylist()) if one]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("year >= 2020", [1, 2]),
        ("year > 2019.5 and price < 3", [1]),
        ("year = 2019 or year == 2021", [0, 2]),
        ("not year = 2019", [1, 2, 3]),
        ("year <> 2019", [1, 2]),
        ("year in (2019, 2021)", [0, 2]),
        ("year not in (2019, 2021)", [1, 3]),
        ("year is null", [3]),
        ("label is not null", [0, 1, 3]),
        ("label = 'it''s bad'", [1]),
        ("label contains 'GOOD'", [0, 3]),
        ("label not contains 'good'", [1, 2]),
        ("label = 'Good; DROP TABLE x'", [3]),
        ("code = 7", [0, 1]),
        ("code >= 8", [3]),
        ("code = '007'", [1]),
        ("seen = true", [0, 3]),
        ("NOT (seen = TRUE) AND year < 2021", [1]),
        ("\"release date\" in ('a', 'd')", [0, 3]),
        ("year = 2019 or year = 2020 and price = 9", [0]),
        ("price >= -1e3", [0, 1, 3]),
    ],
)
def test_it_selects(condition: str, rows: list[int]) -> None:
    assert chosen(condition) == rows


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "ends where a column was expected"),
        ("year", "ends where a comparison was expected"),
        ("year >=", "ends where a value was expected"),
        ("year >= 2020; drop table documents", "';"),
        ("label = 'it's bad'", "'"),
        ('label = "good"', "stands where a value was expected"),
        ("year >= 2020 label", "stands where and, or or the end was expected"),
        ("(year = 2020", "ends where ) was expected"),
        ("yaer = 2020", "(did you mean 'year'?)"),
        ("year = 'good'", "numbers stand without quotes"),
        ("seen > 3", "numbers stand without quotes"),
        ("year contains 3", "a text in single quotes was expected"),
        ("__import__('os')", "stands where a comparison was expected"),
        ("not " * 200 + "year = 1", "nests more than 100 deep"),
        ("(" * 5_000, "nests more than 100 deep"),
        ("label = '" + "x" * 200_000 + "'", "200,010 characters"),
    ],
)
def test_it_refuses_in_a_sentence(condition: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        chosen(condition)
    assert said in str(error.value)
    assert len(str(error.value)) < 400
