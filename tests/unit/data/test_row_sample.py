from collections import Counter

from trifold.data.row_sample import some


def test_a_sample_is_the_same_every_time_and_holds_nothing_twice():
    assert some(range(1_000), 50) == some(range(1_000), 50)
    assert len(set(some(range(1_000), 50))) == 50


def test_few_items_are_all_taken_in_no_order():
    found = some(range(100), 200)
    assert sorted(found) == list(range(100))
    assert found != sorted(found)


def test_every_part_of_what_is_sorted_is_drawn_from():
    counts = Counter(number // 1_000 for number in some(iter(range(10_000)), 1_000))
    assert set(counts) == set(range(10))
    assert all(70 < count < 130 for count in counts.values())
