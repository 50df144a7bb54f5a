import json
import re

import numpy as np
import pytest

from trifold.documents.language.stop_words import stop_words_of
from trifold.documents.topics.clustering import cluster
from trifold.documents.topics.map_layout import MOST_POINTS, plane, sampled
from trifold.documents.topics.settings import TopicSettings
from trifold.documents.topics.topic_map import topic_page
from trifold.documents.topics.topic_words import topic_words
from trifold.documents.topics.topics import find_topics
from trifold.errors import DataError, SettingsError

SUBJECTS = ("oil barrel price", "goal match team", "planet orbit rocket")


def made(rows=90, width=24, seed=0):
    """Texts about three subjects, and vectors around three directions."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(width, 3)))[0].T
    of = np.arange(rows) % 3
    vectors = directions[of] + 0.1 * rng.normal(size=(rows, width))
    texts = [f"the {' '.join(rng.permutation(SUBJECTS[one].split()))} of day {n}" for n, one in enumerate(of)]
    return texts, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def test_topics_are_the_clusters_named_by_their_words():
    texts, vectors, of = made()
    found = find_topics(texts, vectors)
    assert len(found.topics) == 3
    for one in range(3):
        assert len(set(found.of_text[of == one])) == 1
        topic = found.topics[found.of_text[one]]
        assert set(topic.words) == set(SUBJECTS[one].split())
        assert topic.size == 30
        assert {of[position] for position in topic.examples} == {one}


def test_the_same_seed_gives_the_same_topics_and_the_same_page():
    texts, vectors, _ = made(200)
    pages = [
        topic_page("t", texts, range(2, 202), find_topics(texts, vectors, TopicSettings(seed=7)), 7) for _ in range(2)
    ]
    assert pages[0] == pages[1]


def test_a_number_that_is_asked_for_is_found():
    texts, vectors, _ = made()
    assert len(find_topics(texts, vectors, TopicSettings(topics=5)).topics) == 5


def test_vectors_in_no_direction_are_in_no_topic():
    _, vectors, _ = made(300, width=200)
    stray = np.random.default_rng(9).normal(size=(20, 200))
    found = cluster(np.concatenate([vectors, stray / np.linalg.norm(stray, axis=1, keepdims=True)]), 3, 0)
    assert (found.of_row[:300] >= 0).all()
    assert (found.of_row[300:] == -1).mean() > 0.3


def test_too_few_texts_are_an_error_that_says_what_to_give():
    texts, vectors, _ = made(9)
    with pytest.raises(DataError, match="9 different texts: give at least 10"):
        find_topics(texts, vectors)
    texts, vectors, _ = made(30)
    with pytest.raises(DataError, match="30 different texts: give at least 40 for 40 topics"):
        find_topics(texts, vectors, TopicSettings(topics=40))
    with pytest.raises(SettingsError, match="--topics 1 is not allowed"):
        TopicSettings(topics=1)


def test_words_are_those_of_the_topic_and_not_of_all():
    texts = ["the oil price"] * 30 + ["the football teams", "the football team"] * 15
    words = topic_words(texts, np.array([0] * 30 + [1] * 30), 2)
    assert set(words[0]) == {"oil", "price"}
    assert words[1][0] == "football"
    assert len(words[1]) == 2
    assert topic_words(["🎬", "!!"], np.array([0, 1]), 2) == [[], []]


def test_in_scripts_without_spaces_words_are_pairs_of_characters():
    texts = ["今天石油价格上涨了。", "国际石油供应减少了。", "球队昨天赢得比赛了。", "今天球队输掉比赛了"] * 15
    words = topic_words(texts, np.array([0, 0, 1, 1] * 15), 2)
    assert "石油" in words[0]
    assert {"球队", "比赛"} <= set(words[1])
    assert all(len(word) == 2 for word in words[0] + words[1])
    mixed = topic_words(["ดีมาก, iPhone手机 好", "many other words of another topic stand here"], np.array([0, 1]), 2, 9)
    assert set(mixed[0]) == {"ดีม", "มา", "าก", "iphone", "手机"}


def test_words_of_a_topic_keep_their_vowel_signs_and_hyphens():
    texts = ["हिन्दी किताब, o'brien well-known."] * 2 + ["3d x " + "y" * 40 + " 'outer' words"] * 2
    words = topic_words(texts, np.array([0, 0, 1, 1]), 2)
    assert set(words[0]) == {"हिन्दी", "किताब", "o'brien", "well-known"}
    assert set(words[1]) == {"outer", "words"}


def test_neighbours_lie_beside_each_other_on_the_map():
    _, vectors, of = made(150)
    points = plane(vectors, 0)
    assert points.shape == (150, 2)
    assert points.min() == 0
    assert points.max() == 1
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (of[distances.argmin(axis=1)] == of).mean() > 0.95
    for rows in (1, 2, 5, 9):
        assert np.isfinite(plane(vectors[:rows], 0)).all()
    assert len(sampled(100_000, 0)) == MOST_POINTS


def test_texts_and_labels_cannot_become_part_of_the_page():
    texts, vectors, _ = made()
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \u2028"
    texts = [f"{bad} {text}" for text in texts]
    labels = [bad if n % 2 else "other" for n in range(90)]
    page = topic_page(bad, texts, range(2, 92), find_topics(texts, vectors), 0, labels, bad)
    assert "<script>alert" not in page
    assert "<img" not in page
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["texts"][0].startswith("</script><script>alert(1)")
    assert len(data["groupings"]) == 2
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_fillers_and_markup_name_no_topic():
    filler = "my &lt;br /&gt; own <a href='x'>was</a> just #39; https://a.b/film don't"
    texts = [f"{filler} oil barrel my my"] * 30 + [f"{filler} football team I've"] * 30
    words = topic_words(texts, np.array([0] * 30 + [1] * 30), 2)
    assert [set(one) for one in words] == [{"oil", "barrel"}, {"football", "team"}]


def test_stop_words_are_those_of_the_texts_language():
    pytest.importorskip("bm25s")
    german = ["das Öl ist nicht so teuer und der Preis"] * 30 + ["die Kuh ist auf der Weide und das Gras"] * 30
    words = topic_words(german, np.array([0] * 30 + [1] * 30), 2)
    assert [set(one) for one in words] == [{"öl", "teuer", "preis"}, {"kuh", "weide", "gras"}]
    # An English list would leave out `die`, and a text that is a list of names has no language.
    assert stop_words_of({"die": 1, "anna": 9, "maria": 9}) == frozenset()


def test_a_word_that_stands_in_most_topics_names_none():
    subjects = ["oil", "goal", "orbit", "violin"]
    texts = [f"zum {subject} {'zum ' * 9 * (n == 0)}{subject}" for n, subject in enumerate(subjects) for _ in range(20)]
    words = topic_words(texts, np.repeat(np.arange(4), 20), 4)
    assert words == [[subject] for subject in subjects]
