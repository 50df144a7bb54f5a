import time

import numpy as np
import pytest

from trifold.data import near_duplicates
from trifold.data.near_duplicates import NearSearch
from trifold.data.shingles import jaccard, shingle_set

VOCABULARY = ["".join(np.random.default_rng(number).choice(list("abcdefghijklmnop"), 6)) for number in range(3_000)]


def sentence(rng, words):
    return " ".join(rng.choice(VOCABULARY, words))


def with_words_changed(rng, text, share):
    return " ".join(word if rng.random() > share else rng.choice(VOCABULARY) for word in text.split())


def connected(pairs, count):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs.left)), (pairs.left, pairs.right)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("words", [5, 40])
def test_pairs_are_those_that_comparing_all_with_all_finds(threshold, words):
    rng = np.random.default_rng(0)
    texts = [sentence(rng, words) for _ in range(150)]
    texts += [with_words_changed(rng, texts[number], share) for number in range(50) for share in (0.05, 0.2)]
    sets = [shingle_set(text) for text in texts]
    true = {
        (i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if jaccard(sets[i], sets[j]) >= threshold
    }
    pairs = NearSearch(texts, threshold).pairs()
    found = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert set(found) <= true
    assert all(jaccard(sets[i], sets[j]) == s for (i, j), s in zip(found, pairs.similarity, strict=True))
    groups = connected(pairs, len(texts))
    assert sum(groups[i] == groups[j] for i, j in true) >= 0.98 * len(true)


def test_copies_are_found_among_the_others_alone():
    rng = np.random.default_rng(1)
    others = [sentence(rng, 30) for _ in range(200)]
    near = [with_words_changed(rng, others[number], 0.03) for number in range(40)]
    texts = [*near, near[0], *(sentence(rng, 30) for _ in range(100)), *others]
    copies = NearSearch(texts, 0.7).copies(np.arange(141), np.arange(141, 341))
    sets = [shingle_set(text) for text in texts]
    for number in range(141):
        true = number in range(41) and jaccard(sets[number], sets[141 + number % 40]) >= 0.7
        assert copies.positions[number] == (141 + number % 40 if true else -1)
    assert (copies.positions[:40] >= 0).sum() > 30


def test_rows_that_share_a_long_boilerplate_take_time_that_grows_with_their_number(monkeypatch):
    rng = np.random.default_rng(2)
    boilerplate = sentence(rng, 40)
    texts = [f"{boilerplate} {sentence(rng, 20)}" for _ in range(2_000)]
    planted = [with_words_changed(rng, text, 0.02) for text in texts[:100]]
    compared = []
    monkeypatch.setattr(near_duplicates, "jaccard", lambda *sets: compared.append(1) or jaccard(*sets))
    pairs = NearSearch([*texts, *planted], 0.9).pairs()
    assert len(compared) < 40 * len(texts)
    groups = connected(pairs, 2_100)
    alike = [n for n in range(100) if jaccard(shingle_set(texts[n]), shingle_set(planted[n])) >= 0.9]
    assert len(alike) > 50
    assert sum(groups[n] == groups[2_000 + n] for n in alike) >= 0.95 * len(alike)


def test_no_two_texts_are_compared_twice(monkeypatch):
    rng = np.random.default_rng(4)
    boilerplate = sentence(rng, 40)
    texts = [f"{boilerplate} {sentence(rng, 4)}" for _ in range(100)]
    compared = []

    def counted(one, other):
        compared.append(frozenset((one.tobytes(), other.tobytes())))
        return jaccard(one, other)

    monkeypatch.setattr(near_duplicates, "jaccard", counted)
    NearSearch(texts, 0.9).pairs()
    assert len(compared) == len(set(compared)) > 100


def test_many_rows_that_are_all_nearly_the_same_are_one_group_and_quickly_so():
    texts = [
        f"this message was sent to everyone on the list by the office of admissions number {n}" for n in range(20_000)
    ]
    begun = time.monotonic()
    pairs = NearSearch(texts, 0.7).pairs()
    assert len(pairs.left) == 19_999
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "texts", [[], ["alone"], ["", ""], ["🎬", "🎬🎬"], ["x" * 1_000_000, "x" * 1_000_000 + "y" * 9]]
)
def test_few_short_or_enormous_texts_are_no_trouble(texts):
    pairs = NearSearch(texts, 0.7).pairs()
    assert len(pairs.left) == (texts == ["", ""])
    none = NearSearch(texts, 0.7).copies(np.arange(len(texts)), np.zeros(0, dtype=np.int64))
    assert (none.positions == -1).all()
