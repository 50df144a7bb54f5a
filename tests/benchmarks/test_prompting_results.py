"""Figures of prompting beside learning: the page's table is made of the kept rows, and says what they say."""

from kept_results import RESULTS, accuracy, runs

import prompting

PAGE = (RESULTS.parents[1] / "docs" / "prompting.md").read_text()


def test_the_page_shows_the_kept_rows() -> None:
    for line in prompting.table():
        assert line in PAGE


def test_with_examples_a_real_model_beats_words_on_sentences() -> None:
    found = {run.removeprefix("sst2 128 0 "): accuracy(rows) for run, rows in runs("prompting/rows").items()}
    assert found["prompt-4-balanced"] >= 0.85
    assert found["tfidf"] < found["prompt-4-balanced"]


def test_probabilities_mean_what_they_say() -> None:
    error = prompting.errors_of_calibration()["sst2 128 0 prompt-4-balanced"]
    assert f"{error:.3f}" in PAGE
