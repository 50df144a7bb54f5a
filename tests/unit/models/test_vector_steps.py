"""Steps after pooling: lengths."""

import numpy as np

from trifold.models.vector_steps import Normalize, unit_length


def test_vectors_get_length_1_and_keep_their_precision_and_one_of_zeros_stays() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    found = unit_length(vectors)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(Normalize().apply(vectors), found)
    np.testing.assert_array_equal(vectors, [[3.0, 4.0], [0.0, 0.0]])
