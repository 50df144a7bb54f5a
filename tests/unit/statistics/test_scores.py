import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from made_predictions import predictions, several
from trifold.statistics.macro_f1 import MacroF1Scores
from trifold.statistics.scores import score_methods

Z = 1.959963984540054
TRIPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(TRIPLES)
def test_scores_are_scikit_learns(triples):
    truth, first, second = np.array(triples).T
    for name, expected in (
        ("accuracy", accuracy_score),
        ("macro_f1", lambda t, p: f1_score(t, p, average="macro", zero_division=0)),
    ):
        methods = score_methods(name, truth, [first, second], 4)
        assert methods.scores(methods.counts) == pytest.approx([expected(truth, first), expected(truth, second)])


@given(TRIPLES)
def test_leads_lie_within_their_bounds_and_mirror_each_other(triples):
    truth, first, second = np.array(triples).T
    for name in ("accuracy", "macro_f1"):
        methods = score_methods(name, truth, [first, second], 4)
        scores, leads = methods.scores(methods.counts), methods.lead_upper_bounds(methods.counts, Z)
        assert -leads[1, 0] - 1e-9 <= scores[0] - scores[1] <= leads[0, 1] + 1e-9
        assert leads.max() <= 1


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_a_bound_is_within_the_tolerance_just_where_the_statistic_says_so(name):
    truth, probabilities = predictions(400, 3)
    others = [predictions(400, 3, sharpness=sharpness)[1].argmax(1) for sharpness in (1.0, 2.0, 3.0)]
    methods = score_methods(name, truth, [probabilities.argmax(1), *others], 3)
    for tolerance in np.linspace(0.001, 0.5, 40):
        told = -methods.lead_z(methods.counts, tolerance) >= Z
        assert (told == (methods.lead_upper_bounds(methods.counts, Z) <= tolerance + 1e-9))[
            ~np.eye(4, dtype=bool)
        ].all()


def test_many_test_parts_at_once_are_each_as_by_itself():
    truth, probabilities = predictions(200, 3)
    methods = score_methods("macro_f1", truth, [probabilities.argmax(1), predictions(200, 3, seed=5)[1].argmax(1)], 3)
    drawn = np.random.default_rng(0).multinomial(200, methods.counts / 200, size=(2, 3))
    together = (methods.scores(drawn), methods.lead_upper_bounds(drawn, Z), methods.interval_ends(drawn)[0])
    alone = (
        methods.scores(drawn[1, 2]),
        methods.lead_upper_bounds(drawn[1, 2], Z),
        methods.interval_ends(drawn[1, 2])[0],
    )
    for all_parts, one in zip(together, alone, strict=True):
        assert all_parts[1, 2] == pytest.approx(one)


def test_macro_f1_of_even_classes_with_few_errors_is_as_uncertain_as_accuracy():
    truth = np.arange(200) % 2
    predicted = np.where(np.arange(200) < 4, 1 - truth, truth)
    accuracy, macro = (score_methods(name, truth, [predicted], 2) for name in ("accuracy", "macro_f1"))
    for first, second in zip(accuracy.interval_ends(accuracy.counts), macro.interval_ends(macro.counts), strict=True):
        assert first == pytest.approx(second, abs=0.004)


def test_errors_in_a_rare_class_make_macro_f1_more_uncertain():
    truth = (np.arange(400) < 12).astype(int)
    methods = score_methods("macro_f1", truth, [truth], 2)
    assert methods.interval_ends(methods.counts)[0][0] < 0.95
    assert score_methods("accuracy", truth, [truth], 2).interval_ends(np.array([400]))[0][0] > 0.98


def test_several_labels_a_row_have_a_score_and_an_interval():
    truth, probabilities = several()
    methods = score_methods("macro_f1", truth, [probabilities > 0.5, probabilities > 0.3], truth.shape[1])
    assert isinstance(methods, MacroF1Scores)
    expected = [f1_score(truth, probabilities > cut, average="macro", zero_division=0) for cut in (0.5, 0.3)]
    assert methods.scores(methods.counts) == pytest.approx(expected)
    low, high = methods.interval_ends(methods.counts)
    assert (low < expected).all()
    assert (high > expected).all()
