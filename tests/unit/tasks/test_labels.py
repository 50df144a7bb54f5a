import numpy as np
import pytest

from trifold.errors import DataError, SettingsError
from trifold.tasks.labels import LabelMap, as_text, describe_labels, row_weights


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


def test_rows_of_one_label_all_weigh_the_same():
    assert (row_weights(np.array([0] * 95 + [2] * 5), "balanced") == 1.0).all()


@pytest.fixture
def moods():
    return LabelMap.of([("joy", "love"), (), ("anger",)])


def test_rows_with_several_labels_are_encoded_as_a_table_and_come_back(moods):
    assert moods.names == ("anger", "joy", "love")
    assert moods.multi_label
    targets = [("joy", "love"), (), ("anger",)]
    encoded = moods.encode(targets)
    assert encoded.tolist() == [[False, True, True], [False] * 3, [True, False, False]]
    assert moods.decode(encoded) == targets
    assert [moods.parse(as_text(target)) for target in targets] == targets
    assert moods.encode([]).shape == (0, 3)


def test_one_label_a_row_has_its_text_too():
    labels = LabelMap.of([1, 2])
    assert (as_text(2), labels.parse("2")) == ("2", 2)
    with pytest.raises(KeyError):
        labels.parse("3")


def test_each_of_several_labels_has_a_threshold_of_its_own(moods):
    probabilities = moods.probabilities(np.array([[0.0, 2.0, -2.0]], dtype=np.float32))
    assert probabilities[0] == pytest.approx([0.5, 0.881, 0.119], abs=1e-3)
    assert moods.decide(probabilities).tolist() == [[True, True, False]]
    choosy = LabelMap(moods.names, True, (0.6, 0.9, 0.1))
    decided = choosy.decide(probabilities)
    assert decided.tolist() == [[False, False, True]]
    assert choosy.confidence(probabilities, decided) == pytest.approx([0.5 * 0.119 * 0.119], abs=1e-3)


def test_what_a_model_saves_of_its_labels_comes_back(moods):
    choosy = LabelMap(moods.names, True, (0.6, 0.9, 0.1))
    assert LabelMap.saved(choosy.described()) == choosy
    plain = LabelMap.of(["a", 1])
    assert plain.described() == {"labels": [1, "a"]}
    assert LabelMap.saved(plain.described()) == plain


def test_balanced_labels_weigh_as_much_as_their_absence():
    targets = np.zeros((100, 3), dtype=bool)
    targets[:20, 0] = targets[:, 1] = True
    weights = row_weights(targets, "balanced")
    assert weights[:20, 0].sum() == pytest.approx(weights[20:, 0].sum())
    assert np.isfinite(weights).all()


def test_a_description_is_for_the_label_that_says_the_same():
    assert describe_labels(LabelMap.of([1, 5]), {"1.0": "bad", "5": "good"}) == ["bad", "good"]
    assert describe_labels(LabelMap.of(["True", "False"]), {"true": "spam"}) == ["False", "spam"]
    with pytest.raises(SettingsError, match="--label-description is given for '2', which is no label: there are 1, 5"):
        describe_labels(LabelMap.of([1, 5]), {"1": "bad", "2": "x"})
