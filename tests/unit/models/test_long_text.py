"""Long texts: what is kept of them, by tokens and by characters."""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from trifold.models.locate import locate
from trifold.models.long_text import cut_text, head_and_tail, relevant_characters
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
