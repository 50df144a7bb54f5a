import numpy as np
import pytest

from trifold.data.shingles import jaccard, normalise, shingle_set, shingles_of, words_alone


def plain_set(text):
    text = text.ljust(5, "\0")
    return {text[i : i + 5] for i in range(len(text) - 4)}


TEXTS = ["a quiet film", "a quiet, funny film", "ok", "", "🎬🎬", "🎬", "die Straße am Fluß", "x" * 300, "quiet film a"]


def test_jaccard_is_that_of_the_sets_of_five_characters():
    for one in TEXTS:
        for other in TEXTS:
            first, second = plain_set(one), plain_set(other)
            expected = len(first & second) / len(first | second)
            assert jaccard(shingle_set(one), shingle_set(other)) == pytest.approx(expected)


def test_shingles_of_several_texts_are_those_of_each():
    found = shingles_of(TEXTS)
    for number, text in enumerate(TEXTS):
        own = found.hashes[found.starts[number] : found.starts[number + 1]]
        assert np.array_equal(np.unique(own), shingle_set(text))
    assert len(shingles_of([]).hashes) == 0


def test_what_does_not_make_another_text_is_put_aside():
    assert normalise("\uff26\uff49\uff4c\uff4d  STRASSE\n") == normalise("film straße")
    assert words_alone(normalise("Well… “quiet”, isn't it?!")) == "well quiet isn t it"
    assert words_alone(normalise("?!")) == "?!"
    assert words_alone(normalise("🎬 🎬")) == "🎬 🎬"


def test_half_of_a_surrogate_pair_is_a_character_like_others():
    assert len(shingle_set("abc\ud800def")) == 3
