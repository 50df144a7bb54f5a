import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trifold.documents.search import keywords
from trifold.documents.search.keywords import K1, B, KeywordIndex, build_keywords
from trifold.documents.search.ranking import best
from trifold.errors import ArtifactError

FILMS = (
    "A robot learns to feel.",
    "The robots of the future fight in the streets.",
    "A quiet film about a lighthouse keeper, and his lighthouse.",
    "",
    "Two keepers fall in love; the streets are wet.",
)
Indexed = Callable[..., KeywordIndex]


@pytest.fixture
def indexed(tmp_path: Path) -> Indexed:
    def made(*texts: str, language: str = "en") -> KeywordIndex:
        build_keywords(texts, tmp_path, language)
        return KeywordIndex(tmp_path)

    return made


def found(index: KeywordIndex, query: str) -> list[int]:
    positions: list[int] = best(index.scores(query), 10).positions.tolist()
    return positions


def test_words_are_found_by_their_stems_and_the_best_passage_comes_first(indexed: Indexed) -> None:
    assert found(indexed(*FILMS), "Lighthouses and KEEPERS") == [2, 4]


def test_scores_are_those_of_the_formula(indexed: Indexed) -> None:
    scores = indexed(*FILMS).scores("robot")
    idf = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))
    mean = float(np.mean([len(_terms(text)) for text in FILMS]))
    for position in (0, 1):
        length = len(_terms(FILMS[position]))
        wanted = idf / (1 + K1 * (1 - B + B * length / mean))
        assert scores[position] == pytest.approx(wanted, rel=1e-5)


def _terms(text: str) -> list[str]:
    from trifold.documents.search.words import split_words, stop_words

    return [word for word in split_words(text) if word and word not in stop_words("en")]


def test_a_word_that_is_asked_for_twice_counts_twice(indexed: Indexed) -> None:
    index = indexed(*FILMS)
    assert index.scores("robot robot") == pytest.approx(2 * index.scores("robot"))


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!… — ;", "😀😀", "zyzzyva", "\ud800", "\x00"])
def test_a_query_without_a_known_keyword_finds_nothing(indexed: Indexed, query: str) -> None:
    assert found(indexed(*FILMS), query) == []


def test_a_query_of_ten_thousand_words_is_answered(indexed: Indexed) -> None:
    assert found(indexed(*FILMS), "robot street " * 5_000) == [1, 0, 4]


@pytest.mark.parametrize("texts", [(), ("",), ("😀", "?!"), ("the", "of")])
def test_passages_without_a_keyword_are_an_index_that_finds_nothing(indexed: Indexed, texts: tuple[str, ...]) -> None:
    assert found(indexed(*texts), "anything") == []


def test_scripts_without_spaces_are_found_by_pairs_of_characters(indexed: Indexed) -> None:
    index = indexed("信息检索是一门学科", "机器学习与检索", "今天天气很好", language="zh")
    assert found(index, "检索") == [1, 0]


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", "Die Häuser am Fluss", "haus"),
        ("ru", "Старые книги", "книга"),
        ("ar", "الكتب القديمة", "الكتب"),
        ("he", "ספרים ישנים", "ספרים"),
        ("hi", "हिन्दी किताब", "किताब"),
        ("fr", "L'arbre du voisin", "arbres"),
        ("xx", "Words as written", "written"),
    ],
)
def test_other_languages_and_directions(indexed: Indexed, language: str, text: str, query: str) -> None:
    assert found(indexed("nothing of it", text, language=language), query) == [1]


def test_accents_written_apart_are_the_same_word(indexed: Indexed) -> None:
    assert found(indexed("cafe\u0301 noir", "tea"), "caf\u00e9") == [0]


def test_damaged_facts_are_told(indexed: Indexed, tmp_path: Path) -> None:
    indexed(*FILMS)
    (tmp_path / keywords.FACTS).write_text("{}")
    with pytest.raises(ArtifactError, match=r"keywords\.json"):
        KeywordIndex(tmp_path)
    (tmp_path / keywords.FACTS).write_text("{")
    with pytest.raises(ArtifactError, match=r"keywords\.json is damaged.*: build the index again"):
        KeywordIndex(tmp_path)


def test_no_file_is_a_pickle(indexed: Indexed, tmp_path: Path) -> None:
    indexed(*FILMS)
    for path in tmp_path.glob("*.npy"):
        np.load(path, allow_pickle=False)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}
