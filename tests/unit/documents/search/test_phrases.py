from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trifold.documents.search.keywords import build_keywords
from trifold.documents.search.phrases import Phrases

QUESTIONS = (
    "How to reset the password. How to reset the router!",
    "How to reset the password of the router",
    "how to cook rice",
    "How tools are made",
    "What to reset",
)
Phrased = Callable[..., Phrases]


@pytest.fixture
def phrased(tmp_path: Path) -> Phrased:
    def made(*texts: str) -> Phrases:
        build_keywords(texts, tmp_path)
        return Phrases(tmp_path)

    return made


def test_the_most_frequent_phrase_comes_first(phrased: Phrased) -> None:
    found = phrased(*QUESTIONS).complete("how to ")
    assert next(iter(found.items())) == ("how to reset the password", 2)
    assert "how to cook rice" in found


def test_the_last_word_may_be_unfinished(phrased: Phrased) -> None:
    found = phrased(*QUESTIONS).complete("how to")
    assert "how tools are made" in found
    assert "how to reset the password" in found
    assert "how to" not in found
    assert list(phrased(*QUESTIONS).complete("how to co")) == ["how to cook rice"]


def test_what_was_typed_stays_as_it_is(phrased: Phrased) -> None:
    assert list(phrased(*QUESTIONS).complete("HOW  to co")) == ["HOW  to cook rice"]


def test_where_the_whole_stands_nowhere_the_last_words_decide(phrased: Phrased) -> None:
    assert list(phrased(*QUESTIONS).complete("please tell me how to co")) == ["please tell me how to cook rice"]


def test_no_phrase_goes_across_the_end_of_a_sentence_or_a_passage(phrased: Phrased) -> None:
    found = phrased("I like rain. Snow is white", "and rain").complete("rain ")
    assert found == {}


def test_no_phrase_ends_in_a_stop_word(phrased: Phrased) -> None:
    assert not [text for text in phrased(*QUESTIONS).complete("how to reset") if text.endswith(("the", "of"))]


def test_only_phrases_of_allowed_passages_count(phrased: Phrased) -> None:
    allowed = np.array([False, False, True, True, True])
    assert list(phrased(*QUESTIONS).complete("how to ", allowed=allowed)) == ["how to cook rice"]


@pytest.mark.parametrize("typed", ["", " ", "?", "😀", "zyzzyva", "zyzzyva ", "\ud800", "word " * 10_000])
def test_what_goes_on_nowhere_has_no_completion(phrased: Phrased, typed: str) -> None:
    assert phrased(*QUESTIONS).complete(typed) == {}


@pytest.mark.parametrize("texts", [(), ("",), ("?!",)])
def test_an_index_without_words_completes_nothing(phrased: Phrased, texts: tuple[str, ...]) -> None:
    assert phrased(*texts).complete("how") == {}


def test_counts_of_a_frequent_phrase_are_those_of_all_its_places(
    phrased: Phrased, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.documents.search.phrases._PLACES", 10)
    assert phrased(*["red apple"] * 40).complete("red ") == {"red apple": 40}


def test_no_phrase_ends_in_its_midst(phrased: Phrased) -> None:
    found = phrased(
        "the role of specific genes in aging and the role of increased risk of stroke were told",
        "the role of specific proteins from yeast, with specific enzymes in it",
        "specific cells are known; an increased pressure and increased expression of genes",
        "the risk is known, and the risk of death is low",
        "proteins and enzymes",
    ).complete("the role of ")
    assert found
    assert not [text for text in found if text.split()[-1] in ("specific", "increased", "and", "of", "from")]


@pytest.mark.parametrize("filler", ["which", "were", "from", "we", "during"])
def test_no_phrase_ends_in_a_function_word_that_keywords_keep(phrased: Phrased, filler: str) -> None:
    texts = [f"red apples {filler} the tree fell", f"red apples {filler} a box came", "red apples"]
    found = phrased(*texts).complete("red ")
    assert found
    assert not [text for text in found if text.endswith(filler)]


def test_a_word_that_stands_before_the_same_one_everywhere_ends_no_phrase(phrased: Phrased) -> None:
    texts = [f"salt is associated with {what}" for what in ("age", "weight", "sleep", "age", "weight", "sleep")]
    assert "salt is associated" not in phrased(*texts).complete("salt ")
