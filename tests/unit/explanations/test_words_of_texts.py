"""Words of a text, in any script, and a text without some of them."""

import pytest

from trifold.explanations.words import find_words, without


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in find_words(text, [(0, len(text))])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It isn't good/bad, is it?", ["It", "isn't", "good", "bad", "is", "it"]),
        ("naïve cafe\u0301 3.5", ["naïve", "cafe\u0301", "3", "5"]),
        ("这本书很好。", list("这本书很好")),
        ("यह फ़िल्म अच्छी है।", ["यह", "फ़िल्म", "अच्छी", "है"]),
        ("الفيلمُ رائع", ["الفيلمُ", "رائع"]),
        ("日々・人々", ["日", "々", "人", "々"]),
        ("ดีมาก", ["ดี", "ม", "า", "ก"]),
        ("😀👍🏽 👨‍👩‍👧", ["😀", "👍🏽", "👨‍👩‍👧"]),
        ("?! ...", ["?!", "..."]),
        (" \t\n", []),
    ],
)
def test_words_of_many_scripts(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_only_words_of_the_given_parts_are_found() -> None:
    text = "first middle last"
    parts = [(0, 5), (13, 17)]
    assert [text[start:end] for start, end in find_words(text, parts)] == ["first", "last"]
    assert without(text, parts, []) == "first last"


def test_a_text_without_words_keeps_everything_else() -> None:
    text = "A very, very bad film."
    found = find_words(text, [(0, len(text))])
    assert without(text, [(0, len(text))], [found[1], found[3]]) == "A, very film."
    assert without(text, [(0, len(text))], []) == text
    assert without(text, [(0, len(text))], found) == ",."
