import pytest

from trifold.data.label_matching import known_labels, plain_text


@pytest.mark.parametrize("alike", [(1, "1", 1.0, "1.0", "1.00"), (-3, "-3", "-3.0"), (True, "True", "true", "TRUE")])
def test_a_label_says_the_same_however_it_is_stored(alike):
    assert len({plain_text(label) for label in alike}) == 1


@pytest.mark.parametrize("label", ["01", "1.5", "1 ", "v1.0", "1.0.0", "Yes", "", "1e3", "\u0661.0", ".0"])
def test_any_other_label_says_what_it_is(label):
    assert plain_text(label) == label


def test_a_label_that_is_known_as_it_is_keeps_its_name_and_others_take_the_known_one():
    assert known_labels([1, "5.0", "unsure", "x"], ["1", "5", "unsure"]) == {1: "1", "5.0": "5"}
    assert known_labels(["1", "true"], [1, "True"]) == {"1": 1, "true": "True"}


def test_where_two_known_labels_say_the_same_neither_is_taken():
    assert known_labels(["TRUE"], ["True", "true"]) == {}


def test_case_and_outer_spaces_count_unless_labels_are_merged():
    assert known_labels(["POS", " neg"], ["pos", "neg"]) == {}
    assert known_labels(["POS", " neg"], ["pos", "neg"], merge=True) == {"POS": "pos", " neg": "neg"}
