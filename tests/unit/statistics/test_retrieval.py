import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from trifold.statistics.retrieval import FIGURES, figures_of, ndcg, recall, reciprocal_rank


def test_ndcg_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        gains = rng.integers(0, 4, size=30).astype(float)
        gains[0] = max(gains[0], 1.0)
        scores = rng.permutation(30).astype(float)
        ranked = [str(number) for number in np.argsort(-scores)]
        relevance = {str(number): gain for number, gain in enumerate(gains)}
        assert ndcg(ranked, relevance) == pytest.approx(ndcg_score([gains], [scores], k=10))


def test_figures_of_a_ranking_by_hand() -> None:
    found = figures_of(["a", "b", "c"], {"b": 1, "z": 1, "c": 0})
    assert found["ndcg@10"] == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))
    assert found["recall@10"] == 0.5
    assert found["mrr@10"] == 0.5
    assert tuple(found) == FIGURES


def test_nothing_found_is_nothing_gained() -> None:
    assert set(figures_of([], {"a": 1}).values()) == {0.0}


def test_a_document_below_the_depth_does_not_count() -> None:
    ranked = [*map(str, range(10)), "a"]
    assert ndcg(ranked, {"a": 1}) == reciprocal_rank(ranked, {"a": 1}) == recall(ranked, {"a": 1}, 10) == 0
    assert recall(ranked, {"a": 1}, 100) == 1


def test_negative_relevance_is_none() -> None:
    assert ndcg(["a", "b"], {"a": -1, "b": 1}) == pytest.approx(1 / np.log2(3))
