import numpy as np
import pytest

from trifold.errors import DataError
from trifold.tasks.labels import LabelMap, row_weights


def test_numbers_are_ordered_by_value_and_strings_by_character():
    assert LabelMap.of([10, 9, -1, 10]).names == (-1, 9, 10)
    assert LabelMap.of(["10", "9", "b", "B"]).names == ("10", "9", "B", "b")


def test_numbers_and_strings_together_have_an_order_too():
    assert LabelMap.of(["1", 2, "a", 1]).names == (1, 2, "1", "a")


def test_decoding_gives_back_what_was_encoded():
    labels = LabelMap.of(["x", "y", "z"])
    encoded = labels.encode(["z", "x", "z"])
    assert encoded.dtype == np.int64
    assert encoded.tolist() == [2, 0, 2]
    assert labels.decode(encoded) == ["z", "x", "z"]
    assert len(labels) == 3


def test_no_labels_encode_to_no_numbers():
    assert LabelMap.of(["x"]).encode([]).shape == (0,)


@pytest.mark.parametrize("unknown", ["w", "1"])
def test_an_unknown_label_is_an_error_that_names_the_known_ones(unknown):
    with pytest.raises(DataError, match=f"the label '{unknown}' is unknown to the model: it knows 1, 2, 'x'"):
        LabelMap.of([1, 2, "x"]).encode([unknown])


def test_balanced_rows_make_every_class_weigh_the_same():
    classes = np.array([0] * 95 + [2] * 5)
    weights = row_weights(classes, "balanced")
    assert weights[:95].sum() == pytest.approx(weights[95:].sum())
    assert weights.mean() == pytest.approx(1.0)
    assert (row_weights(classes, "none") == 1.0).all()
