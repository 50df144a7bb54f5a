"""Texts to tokens: what is kept of a long one."""

from pathlib import Path

import numpy as np
import pytest

from trifold.features.token_cache import encode_through_cache
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer


@pytest.fixture
def words(tiny_model: Path) -> Tokenizer:
    """Cuts to 12 tokens, a quarter from the beginning."""
    return Tokenizer(locate(str(tiny_model)), 12, "head+tail")


def test_head_and_tail_keep_both_ends_and_the_special_tokens(tiny_model: Path, words: Tokenizer) -> None:
    text = "film plot cast score pace story film plot cast score pace story film plot cast score pace story"
    whole = Tokenizer(locate(str(tiny_model)), 100).encode([text])
    cut = words.encode([text])
    ids = whole.ids
    assert whole.lengths[0] > 12
    np.testing.assert_array_equal(cut.ids, np.concatenate([ids[:3], ids[-9:]]))
    assert cut.truncated.tolist() == [True]


def test_a_text_that_fits_is_the_same_either_way(tiny_model: Path, words: Tokenizer) -> None:
    texts = ["the film", "film", "the plot is the plot"]
    plain = Tokenizer(locate(str(tiny_model)), 12).encode(texts)
    both = words.encode(texts)
    np.testing.assert_array_equal(plain.ids, both.ids)
    assert not both.truncated.any()


def test_a_text_of_a_megabyte_keeps_its_last_word(words: Tokenizer, tiny_model: Path) -> None:
    text = "film " * 200_000 + "plot"
    cut = words.encode([text])
    last = Tokenizer(locate(str(tiny_model)), 12).encode(["plot"]).ids
    assert cut.lengths.tolist() == [12]
    np.testing.assert_array_equal(cut.ids[-len(last) + 1 :], last[1:])
    assert cut.truncated.tolist() == [True]


def test_it_is_read_in_use_as_in_training(words: Tokenizer, tiny_model: Path) -> None:
    back = Tokenizer.of(locate(str(tiny_model)), words.described())
    assert back.described() == words.described() == {"max_length": 12, "long_text": "head+tail"}


@pytest.mark.parametrize("rule", ["truncate", "head+tail"])
@pytest.mark.parametrize(
    "text", ["the film", "film plot, cast score! " * 9, "film " * 200_000 + "plot", "z" * 9_000, ""]
)
def test_the_spans_that_are_read_give_the_same_tokens(rule: str, text: str, tiny_model: Path) -> None:
    tokenizer = Tokenizer(locate(str(tiny_model)), 12, rule)
    parts = tokenizer.read_spans(text)
    assert len(parts) <= 2
    read = " ".join(text[start:end] for start, end in parts)
    np.testing.assert_array_equal(tokenizer.encode([read]).ids, tokenizer.encode([text]).ids)
    if tokenizer.encode([text]).truncated[0] and "z" not in text:
        assert len(read) < 100


LONG = "film plot cast score pace story film plot cast score pace story film plot cast"


@pytest.mark.parametrize("rule", ["truncate", "head+tail"])
def test_through_the_cache_it_gives_the_same(
    rule: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "own"))
    tokenizer = Tokenizer(locate(str(tiny_model)), 12, rule)
    asked: list[list[str]] = []
    encode = tokenizer.encode
    monkeypatch.setattr(tokenizer, "encode", lambda texts: asked.append(list(texts)) or encode(texts))
    all_seconds = []
    for texts in (["the film", LONG], [LONG, "the plot", "the film", "the plot"], []):
        found, seconds = encode_through_cache(tokenizer, texts, 1 << 30)
        wanted = encode(texts)
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_array_equal(found.offsets, wanted.offsets)
        np.testing.assert_array_equal(found.truncated, wanted.truncated)
        assert found.ids.dtype == wanted.ids.dtype
        all_seconds.append(seconds)
    assert asked == [["the film", LONG], ["the plot", "the plot"], []]
    assert all_seconds[0] == all_seconds[2] == 0.0 < all_seconds[1]


def test_another_rule_or_length_is_tokenised_anew(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "own"))
    for length, rule in ((12, "truncate"), (12, "head+tail"), (8, "truncate")):
        tokenizer = Tokenizer(locate(str(tiny_model)), length, rule)
        found, seconds = encode_through_cache(tokenizer, [LONG], 1 << 30)
        np.testing.assert_array_equal(found.ids, tokenizer.encode([LONG]).ids)
        assert seconds == 0.0
