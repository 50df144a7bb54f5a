import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from trifold.data.hold_out import hold_out


def labels(draw: np.random.Generator, rows: int, classes: int) -> list[object]:
    """Classes of very different sizes, two rows of each at the least."""
    weights = draw.dirichlet(np.full(classes, draw.choice([0.3, 1.0, 50.0])))
    numbers = [*range(classes), *range(classes), *draw.choice(classes, rows - 2 * classes, p=weights)]
    kind = draw.choice(["number", "word"])
    return [f"class {number}" if kind == "word" else int(number) for number in draw.permutation(numbers)]


@pytest.mark.parametrize("case", range(60))
def test_it_holds_out_what_scikit_learn_does(case):
    draw = np.random.default_rng(case)
    classes = int(draw.integers(2, 30))
    rows = int(draw.integers(max(10, 5 * classes), 5 * classes + 1_500))
    given, strata = draw.permutation(rows), labels(draw, rows, classes)
    share, seed = float(draw.choice([0.2, 0.33])), int(draw.integers(0, 100))
    expected = train_test_split(given, test_size=share, random_state=seed, stratify=strata)
    for found, wanted in zip(hold_out(given, share, seed, strata), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    expected = train_test_split(given, test_size=share, random_state=seed)
    for found, wanted in zip(hold_out(given, share, seed), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("rows", range(10, 40))
def test_small_files_and_ties_are_drawn_alike(rows):
    strata = ["a", "b"] * (rows // 2) + ["a"] * (rows % 2)
    expected = train_test_split(np.arange(rows), test_size=0.2, random_state=42, stratify=strata)
    for found, wanted in zip(hold_out(np.arange(rows), 0.2, 42, strata), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
