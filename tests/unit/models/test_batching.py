"""Batches by token budget: every text once, never over budget, little padding, the same for the same seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trifold.models.batching import (
    by_token_budget,
    default_padding,
    padding_share,
    to_longest,
    to_multiple_of,
    to_sixteenths,
    training_steps,
)
from trifold.models.tokens import Tokens
from trifold.runtime import Runtime

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 5_000))
def test_every_text_is_in_one_batch_and_no_batch_is_over_budget(lengths: np.ndarray, budget: int) -> None:
    batches = by_token_budget(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


def test_the_longest_come_first() -> None:
    batches = by_token_budget(np.array([5, 100, 7, 50]), 100)
    assert batches[0].tolist() == [1]
    assert int(batches[-1][-1]) == 0


@given(LENGTHS, st.integers(1, 64), st.integers(1, 5_000))
def test_an_epoch_shows_every_text_once_in_steps_of_the_batch_size(lengths: np.ndarray, size: int, budget: int) -> None:
    steps = list(training_steps(lengths, size, budget, np.random.default_rng(0)))
    assert sorted(np.concatenate([b for step in steps for b in step]).tolist()) == list(range(len(lengths)))
    sizes = sorted((sum(map(len, step)) for step in steps), reverse=True)
    assert all(count == size for count in sizes[: len(lengths) // size])
    assert len(steps) == -(-len(lengths) // size)


def test_sorting_leaves_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(5, 250, 4_000)
    assert padding_share(lengths, by_token_budget(lengths, 4_096)) < 0.02
    steps = list(training_steps(lengths, 32, 1 << 20, np.random.default_rng(0)))
    assert padding_share(lengths, [batch for step in steps for batch in step]) < 0.08


def test_the_order_follows_the_seed() -> None:
    lengths = np.arange(1, 101)

    def order(seed: int) -> list[int]:
        steps = training_steps(lengths, 8, 10_000, np.random.default_rng(seed))
        return [int(i) for step in steps for batch in step for i in batch]

    assert order(1) == order(1)
    assert order(1) != order(2)


@given(st.integers(1, 10_000))
def test_by_sixteenths_adds_at_most_a_sixteenth(longest: int) -> None:
    assert longest <= to_sixteenths(longest) <= longest * 17 / 16


def test_by_sixteenths_leaves_few_lengths() -> None:
    found = {to_sixteenths(longest) for longest in range(1, 513)}
    assert len(found) == 31 + 4 * 16 + 1
    assert {to_sixteenths(longest) for longest in range(1, 32)} == set(range(1, 32))


def test_batches_are_padded_to_rounder_lengths_in_bfloat16_alone() -> None:
    assert default_padding(Runtime("cpu", "float32"))(33) == 33
    assert default_padding(Runtime("cpu", "bfloat16"))(33) == 34
    assert default_padding(Runtime("cuda", "bfloat16"))(33) == 40


def test_texts_are_filled_up_as_told_but_never_beyond_the_longest_of_all() -> None:
    tokens = Tokens.of([np.arange(1, 1 + length, dtype=np.int32) for length in (3, 33, 35)], [False] * 3)
    for rounding, expected in ((to_longest, 33), (to_sixteenths, 34), (to_multiple_of(64), 35)):
        ids, mask = tokens.padded(np.array([0, 1]), 0, rounding)
        assert ids.shape == mask.shape == (2, expected)
        assert mask.sum(1).tolist() == [3, 33]
        assert ids[1, :33].tolist() == list(range(1, 34))
        assert not ids[mask == 0].any()


def test_what_rounding_adds_is_padding() -> None:
    batches = [np.array([0, 1]), np.array([2])]
    assert padding_share(np.array([33, 33, 100]), batches) == 0
    # Two texts with a place more each, and one that is the longest of all.
    assert padding_share(np.array([33, 33, 100]), batches, to_sixteenths) == 1 - 166 / 168
