import pytest

from trifold.documents.search.words import BREAK, split_words, stop_words, term_finder, without_last_word


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop: state-of-the-art!", ["don't", "stop", BREAK, "state-of-the-art", BREAK]),
        ("It\u2019s 3.5 mm", ["it's", "3", BREAK, "5", "mm"]),
        ("one\ntwo\n\nthree", ["one", "two", BREAK, "three"]),
        ("\ufb01ne STRASSE", ["fine", "strasse"]),
        ("信息检索, and", ["信息检索", "and"]),
        ("日々のコーヒー・人々", ["日々のコーヒー", "人々"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("'quoted' -dash-", ["quoted", "dash"]),
        ("😀 \ud800 \x00", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_terms_are_stems_of_the_pieces_of_a_word() -> None:
    terms = term_finder("en")
    assert terms("state-of-the-art") == ["state", "of", "the", "art"]
    assert terms("running") == terms("runs") == ["run"]
    assert terms("snake_case") == ["snake", "case"]
    assert terms("信息检索") == ["信息", "息检", "检索"]
    assert terms("信") == ["信"]


def test_a_language_without_a_stemmer_is_told_and_matched_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert term_finder("qq")("running") == ["running"]
    assert "no stemmer for the language 'qq'" in capsys.readouterr().err


def test_stop_words_of_languages() -> None:
    assert "the" in stop_words("en")
    assert "und" in stop_words("de")
    assert not stop_words("fi")


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("how t", ("how ", "t")),
        ("how to ", ("how to ", "")),
        ("how to?", ("how to?", "")),
        ("HOW", ("", "how")),
        ("", ("", "")),
        ("a" * 100_000 + "!", ("a" * 100_000 + "!", "")),
    ],
)
def test_the_last_word_is_parted_from_the_rest(text: str, parted: tuple[str, str]) -> None:
    assert without_last_word(text) == parted
