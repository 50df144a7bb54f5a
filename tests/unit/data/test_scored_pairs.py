"""Labels as scores, and the split of pairs."""

import numpy as np
import pytest

from trifold.data.scored_pairs import ScoredPairs, as_scored, split_pairs
from trifold.errors import DataError
from trifold.types import Examples, TextPair


def pairs(rows: int, scores: np.ndarray | None = None) -> ScoredPairs:
    texts = tuple(TextPair(f"first {row}", f"second {row}") for row in range(rows))
    return ScoredPairs(tuple(range(1, rows + 1)), texts, np.arange(rows, dtype=float) if scores is None else scores)


def test_labels_become_numbers_whatever_they_are_written_as() -> None:
    labels = (3, "2.5", "-1", "1e-2")
    found = as_scored(Examples((1, 2, 3, 4), pairs(4).pairs, labels, (2, 3, 4, 5)), "score")
    assert found.scores.tolist() == [3, 2.5, -1, 0.01]
    assert found.lines == (2, 3, 4, 5)


@pytest.mark.parametrize("label", ["similar", "3,5", "nan", "inf", "x" * 500])
def test_a_label_that_is_no_number_is_refused_with_the_way_out(label: str) -> None:
    with pytest.raises(
        DataError, match=r"--task similarity learns from numbers, and the column 'mark' holds .* in row 2 \(1 row"
    ) as caught:
        as_scored(Examples((1, 2), pairs(2).pairs, (1, label)), "mark")
    assert "--task pairs" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_parts_are_those_of_every_command_and_hold_each_row_once() -> None:
    split = split_pairs(pairs(100))
    assert split.parts == {"training": 64, "validation": 16, "test": 20}
    assert sorted(split.train.rows + split.validation.rows + split.test.rows) == list(range(1, 101))
    assert split.train.scores.tolist() == [row - 1 for row in split.train.rows]


def test_a_pair_that_is_tested_leaves_training_in_either_order() -> None:
    data, test = pairs(60), pairs(3)
    turned = ScoredPairs(test.rows, tuple(TextPair(f" {p.second}", p.first) for p in test.pairs), test.scores)
    split = split_pairs(data, turned)
    assert split.left_training + split.left_validation == 3
    assert not {f"first {row}" for row in range(3)} & {
        pair.first for pair in (*split.train.pairs, *split.validation.pairs)
    }


def test_own_files_stand_for_their_parts() -> None:
    split = split_pairs(pairs(40), pairs(50).take(range(40, 45)), pairs(60).take(range(50, 60)))
    assert split.parts == {"training": 40, "validation": 10, "test": 5}


def test_what_gives_no_order_or_no_part_is_refused() -> None:
    with pytest.raises(DataError, match="the data have 4 usable rows: give at least 10"):
        split_pairs(pairs(4))
    with pytest.raises(DataError, match="every pair of the training part has the score 1, which gives them no order"):
        split_pairs(pairs(20, np.ones(20)))
    with pytest.raises(DataError, match="also in the test part"):
        split_pairs(pairs(20), pairs(20))
