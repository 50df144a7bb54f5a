"""ROUGE as the published evaluation computes it."""

import random

import pytest
from rouge_score.rouge_scorer import RougeScorer

from trifold.statistics.rouge import rouge


def test_every_figure_is_that_of_the_reference_implementation() -> None:
    rng, words = random.Random(0), ["film", "plot", "the", "a", "is", "good", "bad", "2", "long"]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeLsum"], use_stemmer=False)
    for _ in range(200):
        said, wanted = (
            [" ".join(rng.choices(words, k=rng.randint(1, 12))) + "." for _ in range(rng.randint(1, 4))]
            for _ in range(2)
        )
        found = rouge(said, wanted)
        expected = scorer.score("\n".join(wanted), "\n".join(said))
        assert found.rouge_1 == pytest.approx(expected["rouge1"].fmeasure)
        assert found.rouge_2 == pytest.approx(expected["rouge2"].fmeasure)
        assert found.rouge_l == pytest.approx(expected["rougeLsum"].fmeasure)


def test_words_of_one_stem_are_equal_with_a_stemmer_and_short_words_are_left_alone() -> None:
    stem = {"films": "film", "filmed": "film", "was": "wa"}
    assert rouge(["Films was"], ["filmed was"], lambda word: stem[word]).rouge_1 == 1
    assert rouge(["films"], ["filmed"]).rouge_1 == 0


def test_nothing_said_scores_nothing_and_characters_of_unspaced_writing_are_words() -> None:
    assert rouge([""], ["a film"]).rouge_l == rouge(["..."], ["..."]).rouge_1 == 0
    assert rouge(["电影很好"], ["电影不好"]).rouge_1 == pytest.approx(0.75)
    assert rouge(["ดีมาก"], ["ดีมาย"]).rouge_1 == pytest.approx(0.75)
    assert rouge(["हिन्दी किताब"], ["हिन्दी"]).rouge_1 == pytest.approx(2 / 3)
