from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError
from trifold.types import Examples, TextPair


def examples(labels, texts=None):
    rows = tuple(range(2, len(labels) + 2))
    return Examples(rows, tuple(texts or (f"text {row}" for row in rows)), tuple(labels))


def expected_parts(labels):
    return train_test_split(np.arange(len(labels)), test_size=0.2, random_state=42, stratify=labels)


def test_the_test_part_of_imdb_is_the_one_scikit_learn_holds_out(real_data):
    data = load_examples(real_data / "imdb" / "movie.csv", DataSettings()).examples
    rest, held_out = expected_parts(list(data.labels))
    split = split_examples(data)
    assert split.test.rows == tuple(data.rows[i] for i in held_out)
    assert len(split.validation) + split.left_validation == np.ceil(0.2 * len(rest))
    assert len(split.train) + split.left_training + len(split.validation) + split.left_validation == len(rest)
    assert not set(split.train.texts) & (set(split.validation.texts) | set(split.test.texts))


@pytest.mark.parametrize("kind", [int, str, lambda number: f"class {number}"])
def test_the_test_part_of_many_classes_is_the_one_scikit_learn_holds_out(kind):
    labels = [kind(int(number)) for number in np.random.default_rng(0).integers(0, 12, 1_003)]
    data = examples(labels)
    split = split_examples(data)
    assert split.test.rows == tuple(data.rows[i] for i in expected_parts(labels)[1])
    assert (len(split.test), len(split.validation), len(split.train)) == (201, 161, 641)
    assert sorted(split.train.rows + split.validation.rows + split.test.rows) == list(data.rows)
    assert split.notes == ()


def test_class_shares_are_kept():
    split = split_examples(examples(["a"] * 800 + ["b"] * 200))
    for part, size in ((split.test, 200), (split.validation, 160), (split.train, 640)):
        assert Counter(part.labels) == {"a": 0.8 * size, "b": 0.2 * size}


@pytest.mark.parametrize("case", range(20))
def test_both_held_out_parts_are_scikit_learns_for_classes_of_very_different_sizes(case):
    draw = np.random.default_rng(case)
    classes = int(draw.integers(2, 30))
    weights = draw.dirichlet(np.full(classes, draw.choice([0.3, 1.0, 50.0])))
    numbers = [*(list(range(classes)) * 4), *draw.choice(classes, 10 * classes + int(draw.integers(500)), p=weights)]
    labels = [int(number) if case % 2 else f"class {number}" for number in draw.permutation(numbers)]
    split = split_examples(examples(labels))
    rest, test = expected_parts(labels)
    train, validation = train_test_split(rest, test_size=0.2, random_state=42, stratify=[labels[i] for i in rest])
    for part, expected in ((split.train, train), (split.validation, validation), (split.test, test)):
        assert [row - 2 for row in part.rows] == expected.tolist()


def test_the_split_is_the_same_every_time():
    data = examples(["a", "b"] * 50)
    assert split_examples(data) == split_examples(data)


def test_texts_of_the_test_part_leave_the_others_and_are_counted():
    labels = ["a", "b"] * 100
    plain = split_examples(examples(labels))
    texts = [f"text {row}" for row in range(2, 202)]
    texts[plain.train.rows[0] - 2] = f" {plain.test.texts[0]}\n"
    texts[plain.train.rows[1] - 2] = plain.validation.texts[0]
    texts[plain.validation.rows[1] - 2] = plain.test.texts[1]
    split = split_examples(examples(labels, texts))
    assert split.train.rows == plain.train.rows[2:]
    assert set(plain.validation.rows) - set(split.validation.rows) == {plain.validation.rows[1]}
    assert split.test.rows == plain.test.rows
    assert (split.left_training, split.left_validation) == (2, 1)


def test_a_text_that_left_validation_for_the_test_part_stays_out_of_training_too():
    labels = ["a", "b"] * 100
    plain = split_examples(examples(labels))
    texts = [f"text {row}" for row in range(2, 202)]
    for row in (plain.train.rows[0], plain.validation.rows[0]):
        texts[row - 2] = plain.test.texts[0]
    split = split_examples(examples(labels, texts))
    assert (split.left_training, split.left_validation) == (1, 1)


def test_with_a_test_file_a_fifth_is_validation_and_the_test_rows_are_its_own():
    data, test = examples(["a", "b"] * 50), examples(["b", "a"], ["new", "text 2"])
    split = split_examples(data, test)
    assert split.test == test
    assert len(split.validation) + split.left_validation == 20
    assert "text 2" not in split.train.texts + split.validation.texts
    assert split.left_training + split.left_validation == 1
    assert split.validation.rows == tuple(
        data.rows[i] for i in expected_parts(data.labels)[1] if data.texts[i] != "text 2"
    )


def test_a_class_with_one_row_goes_to_training_and_is_said():
    split = split_examples(examples(["a", "b"] * 50 + ["alone"]))
    assert "alone" in split.train.labels
    assert any("training" in note for note in split.notes)


def test_too_few_rows_for_every_class_are_split_without_stratification_with_a_note():
    split = split_examples(examples([f"class {i // 2}" for i in range(20)]))
    assert any("without stratification" in note for note in split.notes)
    assert len(split.train) + len(split.validation) + len(split.test) == 20


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "0 usable rows: give at least 10"),
        (["a"], "1 usable row: give at least 10"),
        (["a", "b", "a"], "3 usable rows: give at least 10"),
        (["a", "b"] * 3, "6 usable rows: give at least 10"),
        (["a"] * 50, "every row has the label 'a': .* --label-column"),
        ([str(i) for i in range(50)], "50 different labels on 50 rows, more than half: .* --label-column"),
        ([str(i) for i in range(26)] + ["0"] * 24, "26 different labels on 50 rows"),
    ],
)
def test_rows_that_make_no_task_are_an_error_that_says_what_to_give(labels, message):
    with pytest.raises(DataError, match=message):
        split_examples(examples(labels))


def test_a_test_file_with_unknown_labels_is_an_error_that_names_them():
    with pytest.raises(DataError, match=r"labels that the data file lacks \(c, d\): correct them"):
        split_examples(examples(["a", "b"] * 10), examples(["a", "d", "c"]))


def test_a_file_whose_texts_are_all_in_the_test_part_is_an_error():
    with pytest.raises(DataError, match="is also in the test part: give rows with distinct texts"):
        split_examples(examples(["a", "b"] * 10, ["same"] * 20))


def test_one_class_left_to_train_on_is_an_error():
    data = examples(["a", "b"] * 20, [f"text {i}" if i % 2 else "same" for i in range(40)])
    with pytest.raises(DataError, match="the training part has only one class: give more rows"):
        split_examples(data)


def test_a_validation_file_leaves_all_else_to_training_and_gives_up_what_is_tested():
    data = examples(["a", "b"] * 50)
    validation = examples(["a", "b", "a"], ["new one", "text 3", "shared"])
    test = examples(["a", "b"], ["shared", "unseen"])
    both = split_examples(data, test, validation)
    assert both.validation.texts == ("new one", "text 3")
    assert (len(both.train), both.left_training, both.left_validation) == (99, 1, 1)
    alone = split_examples(data, None, validation)
    assert len(alone.test) == 20
    assert len(alone.train) + alone.left_training == 80


def test_training_rows_of_a_sorted_file_come_in_no_order_where_no_part_is_drawn_from_it():
    data = examples([f"class {number // 100}" for number in range(600)])
    test, validation = (examples(["class 0"], [f"another {part}"]) for part in ("a", "b"))
    train = split_examples(data, test, validation).train
    assert sorted(train.rows) == list(data.rows)
    counts = Counter(train.labels[:300])
    assert len(counts) == 6
    assert min(counts.values()) > 30


def test_a_label_that_only_the_validation_file_has_is_an_error():
    with pytest.raises(DataError, match="the validation file has labels that the data file lacks"):
        split_examples(examples(["a", "b"] * 20), None, examples(["c"], ["other"]))


def test_rare_labels_reach_every_part_of_a_multi_label_split():
    rng = np.random.default_rng(0)
    common = rng.integers(0, 3, 600)
    labels = [(f"common {c}", *(["rare"] if i % 60 == 0 else [])) for i, c in enumerate(common)]
    split = split_examples(examples([*labels, (), ()]))
    for part in (split.train, split.validation, split.test):
        assert part.label_counts()["rare"] >= 1
        assert len(part.label_counts()) == 4
    assert len(split.test) == 121


def test_a_multi_label_file_needs_two_labels():
    with pytest.raises(DataError, match="every row has the label 'x'"):
        split_examples(examples([("x",)] * 20))


def test_pairs_that_share_a_long_passage_and_differ_in_the_query_all_stay():
    passages = [" ".join(f"{word} of passage {passage}" for word in range(200)) for passage in range(20)]
    pairs = [TextPair(f"query {row}", passages[row // 10]) for row in range(200)]
    split = split_examples(examples(["a", "b"] * 100, pairs))
    assert (split.left_training, split.left_validation, split.near_training, split.near_validation) == (0, 0, 0, 0)
    assert split.notes == ()


def test_a_pair_that_is_also_tested_leaves():
    pairs = [TextPair(f"query {row}", "the passage") for row in range(200)]
    labels = ["a", "b"] * 100
    plain = split_examples(examples(labels, pairs))
    tested = plain.test.texts[0]
    pairs[plain.train.rows[0] - 2] = TextPair(f" {tested.first}", f"{tested.second}\n")
    assert split_examples(examples(labels, pairs)).left_training == 1
