import numpy as np

from trifold.documents.search.ranking import Ranking, best, fuse, of_documents


def ranking(*positions: int) -> Ranking:
    return Ranking(np.array(positions, dtype=np.int64), np.arange(len(positions), 0, -1, dtype=np.float32))


def test_the_best_of_all_scores_ties_in_their_order() -> None:
    assert best(np.array([0.0, 2.0, 1.0, 2.0, -1.0, 1.0]), 3).positions.tolist() == [1, 3, 2]
    assert best(np.array([0.0, 2.0]), 5).positions.tolist() == [1]
    assert best(np.zeros(0), 5).positions.tolist() == []
    assert best(np.ones(3), 0).positions.tolist() == []


def test_the_best_are_those_of_a_full_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 50, size=1_000).astype(np.float32)
    wanted = [position for position in np.argsort(-scores, kind="stable") if scores[position] > 0]
    assert best(scores, 100).positions.tolist() == wanted[:100]


def test_a_document_stands_once_by_its_best_passage() -> None:
    owners = np.array([0, 0, 1, 1, 2])
    assert of_documents(ranking(3, 1, 2, 0, 4), owners).positions.tolist() == [3, 1, 4]


def test_a_document_that_stands_in_both_rankings_comes_before_the_first_of_one() -> None:
    owners = np.arange(6)
    found = fuse([ranking(0, 1, 2), ranking(3, 1, 4)], owners, 10)
    assert found.positions.tolist()[0] == 1
    assert found.scores[0] == np.float32(2 / 62)
    assert set(found.positions.tolist()) == {0, 1, 2, 3, 4}
    assert fuse([ranking(0, 1), ranking(3)], owners, 2).positions.tolist() == [0, 3]


def test_the_passage_that_stands_higher_is_shown_for_a_document() -> None:
    owners = np.array([0, 0, 1, 2])
    assert fuse([ranking(2, 0), ranking(1, 3)], owners, 1).positions.tolist() == [1]


def test_nothing_found_by_any_is_nothing() -> None:
    assert fuse([ranking(), ranking()], np.arange(3), 5).positions.tolist() == []
    assert fuse([ranking(2), ranking()], np.arange(3), 5).positions.tolist() == [2]
