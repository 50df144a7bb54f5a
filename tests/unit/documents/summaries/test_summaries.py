"""Summaries made of a text's own sentences."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from trifold.documents.summaries.settings import SummarySettings
from trifold.documents.summaries.summaries import bounded_sentences, choose, score_sentences, summarize
from trifold.errors import SettingsError

THEMES = ("harbour", "council", "goat")


def by_theme(sentences: Sequence[str]) -> np.ndarray:
    """A vector of length 1 that says how often each theme is named."""
    counts = np.array([[1e-3 + sentence.count(theme) for theme in THEMES] for sentence in sentences], dtype=np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def words_of(sentences: Sequence[str]) -> csr_matrix:
    return csr_matrix(by_theme(sentences))


def test_what_a_text_says_often_comes_before_what_it_says_once_and_in_its_order() -> None:
    text = (
        "A goat was seen near the old mill by three children. The council met to speak of the harbour and its walls. "
        "The harbour has been closed to ships since the storm in May. The council will rebuild the harbour next year."
    )
    found = summarize([text], by_theme, words_of, SummarySettings(sentences=2))[0]
    assert found.of == 4
    assert [sentence.number for sentence in found.sentences] == sorted(one.number for one in found.sentences)
    assert "goat" not in found.text
    assert all(text[one.start : one.end] == one.text for one in found.sentences)


def test_a_short_text_is_its_own_summary_and_no_words_give_none() -> None:
    short, empty = summarize(["One harbour. Two goats.", " \n"], by_theme, words_of)
    assert (short.text, short.of) == ("One harbour. Two goats.", 2)
    assert (empty.text, empty.of) == ("", 0)


def test_texts_together_are_summarized_as_each_by_itself() -> None:
    texts = [f"The harbour {n}. " * 3 + "A goat ran. The council sat down to eat." for n in range(5)]
    together = summarize(texts, by_theme, words_of)
    assert together == [summarize([text], by_theme, words_of)[0] for text in texts]


def test_a_sentence_like_one_that_was_chosen_waits_behind_another() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert choose(np.array([2.0, 1.9, 1.8]), vectors, 2) == [0, 2]


def test_the_beginning_is_preferred_only_where_that_is_asked_for() -> None:
    text = " ".join(f"The harbour is closed for repairs in week {n} of the year." for n in range(20))
    led = summarize([text], by_theme, words_of, SummarySettings(lead_bias=True))[0]
    assert [sentence.number for sentence in led.sentences] == [0, 1, 2]


def test_a_text_that_comes_to_its_point_at_the_end_is_summarized_from_there() -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], *[[0.7, 0.7, 0.1]] * 3], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = score_sentences(vectors, csr_matrix(vectors), SummarySettings())
    assert scores.argmax() == 5


def test_text_without_an_end_is_cut_at_spaces() -> None:
    found = list(bounded_sentences("harbour " * 1_000, "en"))
    assert all(len(sentence.text) <= 600 for sentence in found)
    assert " ".join(sentence.text for sentence in found).split() == ["harbour"] * 1_000
    assert [len(one.text) for one in bounded_sentences("x" * 1_300, "en")] == [600, 600, 100]


def test_many_spaces_within_a_sentence_are_no_sentence() -> None:
    text = f"The harbour is{' ' * 2_000}closed."
    found = list(bounded_sentences(text, "en"))
    assert [one.text for one in found] == ["The harbour is", "closed."]
    assert all(text[one.start : one.end] == one.text for one in found)


def test_settings_that_make_no_summary_are_refused() -> None:
    with pytest.raises(SettingsError, match="--sentences 0 is not allowed: give 1 to 1,000"):
        SummarySettings(sentences=0)
    with pytest.raises(SettingsError, match="--language 'en us' is not allowed"):
        SummarySettings(language="en us")
