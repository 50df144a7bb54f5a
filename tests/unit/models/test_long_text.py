"""Long texts: what is kept of them, by tokens and by characters."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from trifold.models.locate import locate
from trifold.models.long_text import (
    cut_text,
    head_and_tail,
    mean_over_windows,
    relevant_characters,
    window_places,
)
from trifold.models.tokenizer import Tokenizer

WORDS = "the film is the film the is film is the film the the is"


@pytest.mark.parametrize(
    ("max_tokens", "long_text", "parts"),
    [(8, "truncate", (8, 0)), (8, "head+tail", (2, 6)), (3, "head+tail", (0, 3)), (1, "truncate", (1, 0))],
)
def test_a_quarter_is_the_head(max_tokens: int, long_text: str, parts: tuple[int, int]) -> None:
    assert head_and_tail(max_tokens, long_text) == parts


def test_a_text_of_any_length_costs_no_more_than_its_tokens_may() -> None:
    text = "a" * 1_000_000 + "z"
    assert len(relevant_characters(text, 10, "truncate")) == 400
    both = relevant_characters(text, 10, "head+tail")
    assert len(both) == 801
    assert both.endswith("z")
    assert relevant_characters("short", 10, "head+tail") == "short"


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("long_text", ["truncate", "head+tail"])
def test_text_and_tokens_are_cut_at_the_same_places(tiny_model: Path, max_tokens: int, long_text: str) -> None:
    files = locate(str(tiny_model))
    text, was_cut = cut_text(AutoTokenizer.from_pretrained(files.folder), WORDS, max_tokens, long_text)
    assert was_cut
    # Two more for [CLS] and [SEP].
    cut = Tokenizer(files, max_tokens + 2, long_text).encode([WORDS])
    whole = Tokenizer(files, 64).encode([text])
    assert cut.truncated[0]
    np.testing.assert_array_equal(cut.ids, whole.ids)


def test_a_text_that_fits_stays_as_it_is(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(locate(str(tiny_model)).folder)
    assert cut_text(tokenizer, "the film", 50, "head+tail") == ("the film", False)


@pytest.mark.parametrize("room", [1, 2, 3, 4, 7, 248])
def test_windows_cover_a_text_from_end_to_end_with_an_overlap_of_a_quarter(room: int) -> None:
    for tokens in (*range(room + 1, 6 * room), 40 * room + 3):
        starts, size, left_out = window_places(tokens, room, 1_000)
        assert not left_out
        assert size <= room
        assert (starts[0], starts[-1] + size) == (0, tokens)
        assert all(0 < after - before <= size - room // 4 for before, after in itertools.pairwise(starts))
        # One window fewer could not cover it.
        fewer = len(starts) - 1
        assert fewer * room - (fewer - 1) * (room // 4) < tokens


def test_of_a_text_that_takes_too_many_windows_some_are_read_from_its_first_token_to_its_last() -> None:
    assert window_places(1_000, 100, 4) == ([0, 300, 600, 900], 100, True)
    assert window_places(325, 100, 4) == ([0, 75, 150, 225], 100, False)
    assert window_places(326, 100, 4) == ([0, 75, 150, 226], 100, True)


def test_of_a_huge_text_no_more_characters_are_looked_at_than_its_windows_may_have() -> None:
    text = "a" * 2_500_000 + "m" + "a" * 2_500_000 + "z"
    known = relevant_characters(text, 10, "window", 3)
    assert len(known) == 3 * 400 + 2
    assert "m" in known
    assert known.endswith("z")
    assert relevant_characters(known, 10, "window", 3) == known


def test_what_windows_give_is_averaged_for_each_text() -> None:
    values = np.array([[1, 2], [3, 6], [5, 0], [7, 0]], dtype=np.float32)
    found = mean_over_windows(values, np.array([3, 1]))
    np.testing.assert_allclose(found, [[3, 8 / 3], [7, 0]], rtol=1e-6)
    assert found.dtype == np.float32
    assert mean_over_windows(values, None) is values
