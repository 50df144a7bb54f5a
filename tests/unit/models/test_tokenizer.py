"""Texts to tokens: what is kept of a long one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trifold.errors import SettingsError
from trifold.features.token_cache import encode_through_cache
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
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


@pytest.mark.parametrize("rule", ["truncate", "head+tail", "window"])
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
        np.testing.assert_array_equal(found.windows, wanted.windows)
        assert found.digests == wanted.digests
        assert found.ids.dtype == wanted.ids.dtype
        all_seconds.append(seconds)
    assert asked == [["the film", LONG], ["the plot", "the plot"], []]
    assert all_seconds[0] == all_seconds[2] == 0.0 < all_seconds[1]


def test_another_rule_or_length_is_tokenised_anew(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "own"))
    rules = (
        (12, "truncate", None),
        (12, "head+tail", None),
        (8, "truncate", None),
        (12, "window", 8),
        (12, "window", 2),
    )
    for length, rule, windows in rules:
        tokenizer = Tokenizer(locate(str(tiny_model)), length, rule, windows)
        found, seconds = encode_through_cache(tokenizer, [LONG], 1 << 30)
        np.testing.assert_array_equal(found.ids, tokenizer.encode([LONG]).ids)
        assert seconds == 0.0


def test_windows_are_the_text_in_overlapping_parts_with_special_tokens_each(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    whole = Tokenizer(files, 100).encode([LONG]).ids
    first, text, last = whole[:1], whole[1:-1], whole[-1:]
    found = Tokenizer(files, 8, "window").encode(["the film", LONG])
    # Six tokens of the text fit beside [CLS] and [SEP]; one of them is read again.
    assert len(text) == 15
    parts = [np.concatenate([first, text[start : start + 6], last]) for start in (0, 4, 9)]
    assert found.windows is not None
    assert (found.windows.tolist(), found.lengths.tolist()) == ([1, 3], [4, 24])
    np.testing.assert_array_equal(found.each()[1], np.concatenate(parts))
    assert not found.truncated.any()
    ids, mask = found.padded(np.array([1, 0]), 0)
    np.testing.assert_array_equal(ids[:3], parts)
    assert mask.sum(1).tolist() == [8, 8, 8, 4]
    again = found.take(np.array([1]))
    np.testing.assert_array_equal(again.padded(np.array([0]), 0)[0], parts)
    assert again.digests == found.digests[1:]


def test_what_fits_is_one_window_and_the_same_as_without(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    texts = ["the film", LONG]
    plain, windows = (Tokenizer(files, 64, rule).encode(texts) for rule in ("truncate", "window"))
    assert windows.windows is None
    np.testing.assert_array_equal(plain.ids, windows.ids)
    assert plain.digests == windows.digests


def test_the_same_tokens_in_other_windows_have_another_digest(tiny_model: Path) -> None:
    found = Tokenizer(locate(str(tiny_model)), 8, "window").encode([LONG])
    assert found.digests != replace(found, windows=None).digests
    assert found.digests != replace(found, windows=np.array([2])).digests


def test_beyond_the_most_windows_a_text_is_cut_and_a_huge_one_costs_no_more(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    found = Tokenizer(files, 8, "window", 2).encode([LONG, "film " * 1_000_000 + "plot"])
    assert found.truncated.tolist() == [True, True]
    assert found.lengths.tolist() == [16, 16]
    (_, plot, _) = Tokenizer(files, 8).encode(["plot"]).ids
    assert found.ids[-2] == plot


def test_windows_are_read_in_use_as_in_training(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    settings = BackboneSettings(max_length=12, long_text="window", max_windows=3)
    made = Tokenizer.chosen(files, settings)
    assert made.described() == {"max_length": 12, "long_text": "window", "max_windows": 3}
    assert Tokenizer.of(files, made.described()).described() == made.described()


@pytest.mark.parametrize(
    ("given", "said"),
    [({"long_text": "window", "max_windows": 1}, "2 or more"), ({"max_windows": 4}, "it is for --long-text window")],
)
def test_a_number_of_windows_that_says_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        BackboneSettings(**given)


def test_what_windows_read_is_known_by_its_characters(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    assert Tokenizer(files, 8, "window").read_spans(LONG) == [(0, len(LONG))]
    assert Tokenizer(files, 8, "window").read_spans("the film") == [(0, len("the film"))]
    both = Tokenizer(files, 8, "window", 2).read_spans(LONG)
    assert [LONG[start:end] for start, end in both] == [
        "film plot cast score pace story",
        "score pace story film plot cast",
    ]
    huge = "film plot " * 10_000 + "story"
    first, last = Tokenizer(files, 8, "window", 2).read_spans(huge)
    assert huge[slice(*first)] == "film plot film plot film plot"
    assert huge[slice(*last)] == "plot film plot film plot story"
