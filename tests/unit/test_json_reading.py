import pytest

from trifold.json_reading import parse_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "200 deep"),
        ("[" * 300 + "]" * 300, "200 deep"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('"\\ud800"', "surrogate"),
        ('"\\uDC00 later"', "surrogate"),
        ("9" * 5_000, "digits"),
        ("[-1e999]", "larger than any number"),
        ("{", "Expecting"),
        (b"\xff", "utf-8"),
    ],
)
def test_every_fault_is_a_value_error_that_says_which(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ('"\\ud83d\\ude00"', "😀"),
        (b'\xef\xbb\xbf"a"', "a"),
        ("[" + ",".join(["[]"] * 500) + "]", [[]] * 500),
    ],
)
def test_good_texts_are_read(text: str | bytes, value: object) -> None:
    assert parse_json(text) == value
