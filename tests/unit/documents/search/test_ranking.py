import numpy as np

from trifold.documents.search.ranking import best, fuse


def test_the_best_of_all_scores_ties_in_their_order() -> None:
    assert best(np.array([0.0, 2.0, 1.0, 2.0, -1.0, 1.0]), 3).positions.tolist() == [1, 3, 2]
    assert best(np.array([0.0, 2.0]), 5).positions.tolist() == [1]
    assert best(np.zeros(0), 5).positions.tolist() == []
    assert best(np.ones(3), 0).positions.tolist() == []


def test_the_best_are_those_of_a_full_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 50, size=1_000).astype(np.float32)
    wanted = [position for position in np.argsort(-scores, kind="stable") if scores[position] > 0]
    assert best(scores, 100).positions.tolist() == wanted[:100]


def test_scores_are_fused_as_shares_of_the_best_of_each_kind() -> None:
    cosines, keywords = np.array([0.8, 0.4, -0.2]), np.array([0.0, 12.0, 6.0])
    assert fuse(cosines, keywords).tolist() == [0.5, 0.75, 0.25]


def test_a_kind_of_score_that_no_document_has_changes_no_order() -> None:
    assert fuse(np.array([0.8, 0.4]), np.zeros(2)).tolist() == [0.5, 0.25]
    assert fuse(np.zeros(0), np.zeros(0)).tolist() == []
