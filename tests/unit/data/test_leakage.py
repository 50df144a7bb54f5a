from trifold.data.leakage import NEAR_CHARACTERS, alike, find_leaks
from trifold.types import TextPair

LONG = "the film is a quiet wonder and nobody in the audience made a sound until the very last scene was over"
OTHER = "a long and noisy picture about robots that fall from the sky onto a city in which nobody seems to live"


def test_the_same_text_leaves_and_nearly_the_same_text_is_named():
    found = find_leaks(
        train=[f" {LONG}\n", f"{LONG} now", OTHER, "another text"],
        validation=[f"{OTHER} now", f"{LONG}!", "something else"],
        test=[LONG],
    )
    assert found.train.tolist() == [1, 2, 3]
    assert found.near_train.tolist() == [1, 2]
    assert found.validation.tolist() == [0, 1, 2]
    assert found.near_validation.tolist() == [1]


def test_short_texts_leave_only_where_they_are_the_same():
    short = "a good film " * 3
    assert len(short) < NEAR_CHARACTERS
    found = find_leaks([short, f"{short}!"], ["fine"], [short])
    assert found.train.tolist() == [1]
    assert not len(found.near_train)


def test_without_rows_nothing_leaks():
    found = find_leaks([], [], [])
    assert not len(found.train) + len(found.validation) + len(found.near_train) + len(found.near_validation)


def test_pairs_of_nearly_the_same_text_leave_out_short_ones_and_those_that_are_the_same():
    found = alike(["short", OTHER, "short!", LONG, f" {OTHER}", f"{LONG} now", f"{LONG}?"])
    groups = {frozenset(pair) for pair in zip(found.left.tolist(), found.right.tolist(), strict=True)}
    assert groups <= {frozenset(pair) for pair in ((3, 5), (3, 6), (5, 6))}
    assert len(groups) == 2


def test_pairs_with_the_same_long_text_leave_only_where_the_short_one_is_the_same_too():
    passage = " ".join(f"{word}{number}" for number in range(20) for word in LONG.split())
    tested = TextPair("how loud was it", passage)
    pairs = [TextPair("who lives there", passage), TextPair(" how loud was it", f"{passage}\n")]
    found = find_leaks(train=pairs, validation=[TextPair("what fell", passage)], test=[tested])
    assert found.train.tolist() == [0]
    assert found.validation.tolist() == [0]
    assert not len(found.near_train) + len(found.near_validation)
    assert not len(alike([*pairs, tested]).left)
