"""Labels' probabilities from the probabilities of tokens: labels that begin alike, and answers that say more."""

import numpy as np
import pytest

from trifold.llm.token_probabilities import TokenPlace, label_probabilities


def places(*tokens: dict[str, float]) -> list[TokenPlace]:
    """Places of an answer; the first token of each is the written one."""
    return [TokenPlace(next(iter(one)), tuple(one.items())) for one in tokens]


CASES = {
    "one token each": (("good", "bad"), places({"good": 0.7, "bad": 0.2, "so": 0.1}), (0.7, 0.2)),
    "spaces, quotes and capitals": (("good", "bad"), places({' "Good': 0.5, "good": 0.2, "**BAD": 0.3}), (0.7, 0.3)),
    "the beginning of a label": (("positive", "negative"), places({"pos": 0.6, "neg": 0.3, "x": 0.1}), (0.6, 0.3)),
    "labels that begin alike": (
        ("very good", "very bad", "mixed"),
        places({"very": 0.8, "mixed": 0.2}, {" good": 0.75, " bad": 0.25}),
        (0.6, 0.2, 0.2),
    ),
    "a label that begins another one": (
        ("no", "not", "nothing"),
        places({"no": 0.9, "x": 0.1}, {"t": 0.5, "thing": 0.3, ".": 0.2}, {"": 0.9, "hing": 0.1}),
        (0.18, 0.405, 0.315),
    ),
    "an answer that ends with it": (("no", "not"), places({"no": 0.75, "not": 0.25}), (0.75, 0.25)),
    "a space of its own": (("good", "bad"), places({" ": 1.0}, {"bad": 0.9, "good": 0.1}), (0.1, 0.9)),
    "a sentence with the label": (
        ("good", "bad"),
        places({"It": 0.9, "good": 0.1}, {" is": 1.0}, {" bad": 0.6, " good": 0.4}, {".": 1.0}),
        (0.4, 0.6),
    ),
    "words before it that could begin another label": (
        ("important", "urgent"),
        places({"I": 0.9, "urgent": 0.1}, {" think": 1.0}, {" urgent": 0.8, " important": 0.2}),
        (0.2, 0.8),
    ),
    "a heading that could begin another label": (
        ("anger", "joy"),
        places({"A": 1.0}, {":": 1.0}, {" joy": 0.95, " anger": 0.05}),
        (0.05, 0.95),
    ),
    "other words at the first place": (("good", "bad"), places({"Well": 0.9, "good": 0.06, "bad": 0.04}), (0.06, 0.04)),
    "a word that only begins like a label": (("good", "bad"), places({"goodness": 0.9, "bad": 0.1}), (0.0, 0.1)),
    "letters": (("a", "b"), places({" B": 0.8, " A": 0.1, "Answer": 0.1}), (0.1, 0.8)),
    "another script": (("正面", "负面"), places({"负": 0.7, "正": 0.3}, {"面": 1.0}), (0.3, 0.7)),
}


@pytest.mark.parametrize("case", CASES)
def test_labels_get_the_probability_of_the_tokens_that_begin_them(case: str) -> None:
    words, answer, expected = CASES[case]
    found = label_probabilities(answer, words)
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_thoughts_name_no_label() -> None:
    answer = places(
        {"<think>": 1.0}, {"bad": 1.0}, {"?</": 1.0}, {"think>": 1.0}, {"\n": 1.0}, {"good": 0.75, "bad": 0.25}
    )
    np.testing.assert_allclose(label_probabilities(answer, ("good", "bad")), (0.75, 0.25))  # type: ignore[arg-type]


def test_where_an_answer_names_several_labels_only_its_beginning_tells() -> None:
    neither = places(
        {"Neither": 0.9, "good": 0.06, "bad": 0.04}, {" good": 0.7, " bad": 0.3}, {" nor": 1.0}, {" bad": 1.0}
    )
    first = places({" ": 1.0}, {"bad": 0.8, "good": 0.2}, {", not": 1.0}, {" good": 1.0})
    for answer, expected in ((neither, (0.06, 0.04)), (first, (0.2, 0.8))):
        found = label_probabilities(answer, ("good", "bad"), anywhere=False)
        np.testing.assert_allclose(found, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [[], places({"Well": 0.995, "good": 0.005}), places({"": 1.0})])
def test_where_no_label_stands_nothing_is_read(answer: list[TokenPlace]) -> None:
    assert label_probabilities(answer, ("good", "bad")) is None


def test_what_rounding_adds_is_taken_off() -> None:
    """A server that gives the written token all, and others something."""
    found = label_probabilities(places({"good": 1.0, " good": 0.00002, "bad": 0.00003}), ("good", "bad"))
    np.testing.assert_allclose(found, (1.00002 / 1.00005, 0.00003 / 1.00005))  # type: ignore[arg-type]
    assert found is not None
    assert found.sum() <= 1.0 + 1e-12


def test_what_adds_up_to_far_more_than_one_is_no_probability() -> None:
    assert label_probabilities(places({"good": 1.0, " good": 1.0, "bad": 1.0}), ("good", "bad")) is None


def test_probabilities_never_exceed_one() -> None:
    rng = np.random.default_rng(0)
    words = ("no", "not", "nothing", "not at all", "at", "a")
    tokens = ["no", "not", " not", "hing", " at", " all", "t", "", " ", "a", "n", "x", "."]
    for _ in range(500):
        answer = []
        for _ in range(rng.integers(1, 6)):
            chosen = rng.permutation(tokens)[: rng.integers(1, 8)]
            shares = rng.dirichlet(np.ones(len(chosen))) * rng.uniform(0.5, 1)
            answer.append(TokenPlace(str(chosen[0]), tuple(zip(map(str, chosen), shares.tolist(), strict=True))))
        found = label_probabilities(answer, words)
        assert found is None or (found >= 0).all()
        assert found is None or found.sum() <= 1 + 1e-9
