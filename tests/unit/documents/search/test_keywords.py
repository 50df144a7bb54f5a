import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trifold.documents.search import keywords
from trifold.documents.search.keywords import K1, B, KeywordIndex, build_keywords
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
        return KeywordIndex.open(tmp_path)

    return made


def test_words_are_found_by_their_stems_and_the_best_passage_comes_first(indexed: Indexed) -> None:
    positions, scores = indexed(*FILMS).search("Lighthouses and KEEPERS", 10)
    assert positions.tolist() == [2, 4]
    assert scores[0] > scores[1] > 0


def test_scores_are_those_of_the_formula(indexed: Indexed) -> None:
    found = indexed(*FILMS).scores("robot")
    idf = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))
    mean = float(np.mean([len(_terms(text)) for text in FILMS]))
    for position in (0, 1):
        length = len(_terms(FILMS[position]))
        wanted = idf / (1 + K1 * (1 - B + B * length / mean))
        assert found[position] == pytest.approx(wanted, rel=1e-5)


def _terms(text: str) -> list[str]:
    from trifold.documents.search.words import split_words, stop_words

    return [word for word in split_words(text) if word and word not in stop_words("en")]


def test_a_word_that_is_asked_for_twice_counts_twice(indexed: Indexed) -> None:
    index = indexed(*FILMS)
    assert index.scores("robot robot") == pytest.approx(2 * index.scores("robot"))


def test_only_what_is_allowed_is_found(indexed: Indexed) -> None:
    allowed = np.array([False, True, True, True, True])
    assert indexed(*FILMS).search("robot", 10, allowed).positions.tolist() == [1]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!… — ;", "😀😀", "zyzzyva", "\ud800", "\x00"])
def test_a_query_without_a_known_keyword_finds_nothing(indexed: Indexed, query: str) -> None:
    positions, scores = indexed(*FILMS).search(query, 10)
    assert (len(positions), len(scores)) == (0, 0)


def test_a_query_of_ten_thousand_words_is_answered(indexed: Indexed) -> None:
    assert indexed(*FILMS).search("robot street " * 5_000, 3).positions.tolist() == [1, 0, 4]


@pytest.mark.parametrize("texts", [(), ("",), ("😀", "?!"), ("the", "of")])
def test_passages_without_a_keyword_are_an_index_that_finds_nothing(indexed: Indexed, texts: tuple[str, ...]) -> None:
    assert not len(indexed(*texts).search("anything", 5).positions)


def test_scripts_without_spaces_are_found_by_pairs_of_characters(indexed: Indexed) -> None:
    index = indexed("信息检索是一门学科", "机器学习与检索", "今天天气很好", language="zh")
    assert index.search("检索", 10).positions.tolist() == [1, 0]


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
    assert indexed("nothing of it", text, language=language).search(query, 5).positions.tolist() == [1]


def test_accents_written_apart_are_the_same_word(indexed: Indexed) -> None:
    assert indexed("cafe\u0301 noir", "tea").search("caf\u00e9", 5).positions.tolist() == [0]


def test_damaged_facts_are_told(indexed: Indexed, tmp_path: Path) -> None:
    indexed(*FILMS)
    (tmp_path / keywords.FACTS).write_text("{}")
    with pytest.raises(ArtifactError, match=r"keywords\.json"):
        KeywordIndex.open(tmp_path)


def test_no_file_is_a_pickle(indexed: Indexed, tmp_path: Path) -> None:
    indexed(*FILMS)
    for path in tmp_path.glob("*.npy"):
        np.load(path, allow_pickle=False)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}
