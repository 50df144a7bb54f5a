"""Texts and vectors in temporary files."""

from pathlib import Path

import numpy as np

from trifold.documents.similarity.stored_texts import StoredTexts


def test_texts_of_any_kind_come_back_and_nothing_stays() -> None:
    texts = ["a film", "ein Füchslein 🦊", "half \ud83d", "two\nlines"]
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    with StoredTexts(3) as store:
        folder = Path(store._folder.name)
        assert store.vectors().shape == (0, 3)
        store.add([1, 2], texts[:2], vectors[:2])
        store.add([5, 9], texts[2:], vectors[2:])
        np.testing.assert_array_equal(store.vectors(), vectors)
        assert [store.text(n) for n in (3, 0, 2, 1)] == [(9, texts[3]), (1, texts[0]), (5, texts[2]), (2, texts[1])]
    assert not folder.exists()
