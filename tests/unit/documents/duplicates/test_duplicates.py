import numpy as np
import pytest

from trifold.documents.duplicates.differing_part import differing_part
from trifold.documents.duplicates.duplicates import find_copies, find_duplicates
from trifold.documents.duplicates.semantic_pairs import semantic_copies, semantic_pairs
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.errors import SettingsError

FILM = "the film is a quiet wonder and nobody in the audience made a sound until the very last scene was over"
TEXTS = [
    FILM,
    "A dull story.",
    FILM.replace("quiet", "silent"),
    " a DULL  story.",
    f"{FILM.upper()}!",
    "Robots fight.",
    FILM,
]


def in_words(clusters):
    return {cluster.first: [(copy.position, copy.kind) for copy in cluster.copies] for cluster in clusters}


def test_the_first_text_of_a_group_stands_for_the_others():
    clusters = find_duplicates(TEXTS)
    assert in_words(clusters) == {0: [(2, "near"), (4, "near"), (6, "exact")], 1: [(3, "exact")]}
    similarity = {copy.position: copy.similarity for cluster in clusters for copy in cluster.copies}
    assert similarity[4] == similarity[6] == similarity[3] == 1
    assert 0.7 <= similarity[2] < 1


def test_a_higher_threshold_finds_fewer():
    assert in_words(find_duplicates(TEXTS, DuplicateSettings(threshold=0.95)))[0] == [(4, "near"), (6, "exact")]


def test_vectors_find_what_letters_do_not_and_each_group_is_encoded_once():
    encoded = []

    def encode(texts):
        encoded.extend(texts)
        angles = np.array([0.0 if "obot" in text else 0.1 if "achine" in text else 2.0 + len(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    settings = DuplicateSettings(semantic=True, semantic_threshold=0.99)
    texts = ["Robots fight.", *TEXTS[:4], "Great machines are at war.", "great  machines are at war."]
    clusters = find_duplicates(texts, settings, encode)
    assert in_words(clusters)[0] == [(5, "semantic"), (6, "semantic")]
    assert clusters[0].copies[0].similarity == pytest.approx(np.cos(0.1))
    assert len(encoded) == 4
    copies = find_copies(["robots fight!", "other"], ["Machine war", "robots fight?"], settings, encode)
    assert [(copy.position, copy.of, copy.kind) for copy in copies] == [(0, 1, "near")]
    copies = find_copies(["robots fight!", "other"], ["Machine war"], settings, encode)
    assert [(copy.position, copy.of, copy.kind) for copy in copies] == [(0, 0, "semantic")]


def test_copies_are_of_the_first_other_that_is_the_same_or_of_one_that_is_nearly_the_same():
    others = ["Nothing like it.", FILM.replace("quiet", "silent"), FILM, FILM]
    found = [(copy.position, copy.of, copy.kind) for copy in find_copies([FILM, "new", f"{FILM}!"], others)]
    assert found[0] == (0, 2, "exact")
    assert [one[::2] for one in found] == [(0, "exact"), (2, "near")]


@pytest.mark.parametrize("texts", [[], ["alone"], ["🎬", "🎬🎬🎬"], ["", "?"]])
def test_few_and_odd_texts_have_no_duplicates(texts):
    assert find_duplicates(texts) == []
    assert find_copies(texts, []) == []


def test_emoji_and_enormous_texts_are_texts():
    enormous = "word " * 200_000
    found = in_words(find_duplicates(["🎬🎬", "🎬🎬", enormous, enormous + "more", "🎬"]))
    assert found == {0: [(1, "exact")]}


def test_pairs_through_centres_are_those_of_all_with_all():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5_000, 32)).astype(np.float32)
    vectors[2_500:] = vectors[:2_500] + 0.2 * rng.normal(size=(2_500, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    true, found = (
        {pair for left, right, _ in semantic_pairs(vectors, 0.95, most) for pair in zip(left, right, strict=True)}
        for most in (10_000, 1_000)
    )
    assert len(true) > 2_000
    assert found <= true
    assert len(found) >= 0.98 * len(true)
    positions, cosines = semantic_copies(vectors[2_500:], vectors[:2_500], 0.9)
    assert (positions == np.arange(2_500))[cosines >= 0.9].all()


def test_the_part_that_differs_is_shown_with_a_few_words_around():
    one = "one two three four five six seven eight nine ten eleven twelve"
    assert differing_part(one, one.replace("seven", "SEVEN")) == (
        "… three four five six seven eight nine ten eleven …",
        "… three four five six SEVEN eight nine ten eleven …",
    )
    first, second = differing_part(one, f"{one} and more")
    assert second.endswith("twelve and more")
    assert first.startswith("…")
    assert differing_part("a b", "a  b") == ("a b", "a b")
    assert max(map(len, differing_part("x" * 500, "y" * 500))) == 100


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.3}, "--threshold 0.3 is not allowed: give a number from 0.5 to 1"),
        ({"threshold": 80}, "--threshold 80"),
        ({"semantic": True, "semantic_threshold": 0}, "--semantic-threshold 0"),
        ({"semantic_threshold": 0.8}, "add --semantic"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        DuplicateSettings(**values)
