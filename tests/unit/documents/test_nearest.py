"""Exact search against a plain matrix product."""

import numpy as np
import pytest

from trifold.documents import nearest as module
from trifold.documents.nearest import nearest


def _plain(
    queries: np.ndarray, vectors: np.ndarray, count: int, allowed: np.ndarray | None
) -> tuple[list[list[int]], np.ndarray]:
    scores = queries.astype(np.float32) @ vectors.astype(np.float32).T
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return order.tolist(), np.take_along_axis(scores, order, axis=1)


@pytest.mark.parametrize("share", [None, 0.9, 0.1])
@pytest.mark.parametrize("queries", [1, 5, 300])
@pytest.mark.parametrize("parts", [1, 3])
def test_it_finds_what_a_matrix_product_finds(
    share: float | None, queries: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS_PER_BLOCK", 7)
    monkeypatch.setattr(module, "_SCORE_BYTES", 4 * 100 * queries)
    rng = np.random.default_rng(0)
    vectors, asked = rng.normal(size=(450, 16)).astype(np.float16), rng.normal(size=(queries, 16))
    allowed = None if share is None else rng.random(450) < share
    found = nearest(asked, np.array_split(vectors, parts) if parts > 1 else vectors, 10, allowed)
    positions, scores = _plain(asked, vectors, 10, allowed)
    assert found.positions.tolist() == positions
    np.testing.assert_allclose(found.scores, scores, rtol=1e-4, atol=1e-4)


def test_of_equal_vectors_the_first_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SCORE_BYTES", 4 * 8)
    found = nearest(np.ones((1, 4)), np.ones((40, 4), dtype=np.float16), 5)
    assert found.positions.tolist() == [[0, 1, 2, 3, 4]]


def test_where_there_are_fewer_the_rest_is_empty() -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors.flags.writeable = False
    found = nearest(np.eye(3)[:1], vectors, 5, np.array([True, False, True]))
    assert found.positions.tolist() == [[0, 2, -1, -1, -1]]
    assert found.scores[0, :2].tolist() == [1.0, 0.0]
    assert np.isinf(found.scores[0, 2:]).all()
    assert nearest(np.zeros((0, 3)), vectors, 5).positions.shape == (0, 5)
    assert nearest(np.ones((1, 3)), np.zeros((0, 3), dtype=np.float16), 2).positions.tolist() == [[-1, -1]]


@pytest.mark.parametrize("share", [None, 0.9, 0.1])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 40.0, 300.0])
def test_half_precision_first_gives_the_same(share: float | None, parts: int, scale: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3_000, 64))
    # Close neighbours, so that rounding would change their order.
    vectors[1::2] = vectors[::2] + 1e-3 * rng.normal(size=(1_500, 64))
    vectors = (scale * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    allowed = None if share is None else rng.random(3_000) < share
    for query in scale * vectors[:20].astype(np.float32):
        longest = float(np.linalg.norm(vectors.astype(np.float32), axis=1).max())
        given = np.array_split(vectors, parts) if parts > 1 else vectors
        found = nearest(query[None], given, 10, allowed, longest)
        positions, scores = _plain(query[None], vectors, 10, allowed)
        assert found.positions.tolist() == positions
        np.testing.assert_allclose(found.scores, scores, rtol=1e-4)


def test_a_wrong_length_is_noticed_where_it_would_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float16)
    found = nearest(vectors[:1], vectors, 10, None, longest=1e-3)
    assert found.positions.tolist() == _plain(vectors[:1], vectors, 10, None)[0]
