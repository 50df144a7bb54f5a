import numpy as np
import pytest

from trifold.data.minhash import Banding, banding_for, signatures_of
from trifold.data.shingles import jaccard, shingle_set


def random_words(rng, count):
    return ["".join(rng.choice(list("abcdefghijklmnop"), int(rng.integers(2, 9)))) for _ in range(count)]


def test_bands_lose_at_most_one_pair_in_200_at_the_threshold():
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        banding = banding_for(threshold)
        assert banding.recall(threshold) >= 0.995
        assert banding.bands * banding.rows <= 128
    assert banding_for(0.9).rows > banding_for(0.5).rows


@pytest.mark.parametrize("words", [4, 12, 60, 400])
def test_values_are_equal_with_the_probability_of_the_similarity(words):
    rng, estimates, truths = np.random.default_rng(0), [], []
    for _ in range(60):
        text = random_words(rng, words)
        changed = [word if rng.random() > 0.15 else "changed" for word in text]
        pair = [" ".join(text), " ".join(changed)]
        found = signatures_of(pair, Banding(32, 4))
        estimates.append(np.mean(found[0] == found[1]))
        truths.append(jaccard(*map(shingle_set, pair)))
    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.03)
    if words > 12:
        assert np.abs(np.array(estimates) - truths).max() < 0.2


def test_a_signature_does_not_go_by_its_neighbours():
    rng = np.random.default_rng(0)
    texts = [" ".join(random_words(rng, int(rng.integers(1, 60)))) for _ in range(300)] + ["", "a", "x" * 200_000]
    together = signatures_of(texts, Banding(24, 5))
    assert together.shape == (303, 24, 5)
    for number in (0, 17, 299, 300, 301, 302):
        assert np.array_equal(signatures_of([texts[number]], Banding(24, 5))[0], together[number])
