"""Pairs of texts to tokens: as transformers puts them together, with the token types that tell them apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from trifold.errors import SettingsError
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.types import TextPair

PAIRS = [
    TextPair("the film is superb", "the plot"),
    TextPair("dull", "the cast is dull, the pace is dull, the score is dull and number 17 is in the script"),
    TextPair("the story, the story, the story, the story, the story, the story, the story", "camera"),
]


@pytest.mark.parametrize("max_length", [64, 12, 5])
def test_ids_and_types_are_those_of_transformers(tiny_model: Path, max_length: int) -> None:
    from transformers import AutoTokenizer

    tokens = Tokenizer(locate(str(tiny_model)), max_length).encode(PAIRS)
    theirs = AutoTokenizer.from_pretrained(tiny_model)
    expected = theirs(
        [pair.first for pair in PAIRS], [pair.second for pair in PAIRS], truncation=True, max_length=max_length,
        padding=True, return_tensors="np", return_token_type_ids=True,
    )  # fmt: skip
    ids, mask, types = tokens.padded(np.arange(len(PAIRS)), 0)
    np.testing.assert_array_equal(ids, expected["input_ids"])
    np.testing.assert_array_equal(mask, expected["attention_mask"])
    np.testing.assert_array_equal(types, expected["token_type_ids"])
    whole = Tokenizer(locate(str(tiny_model)), 200).encode(PAIRS)
    np.testing.assert_array_equal(tokens.truncated, whole.lengths > max_length)


def test_of_a_pair_the_longer_text_is_cut_and_a_huge_one_costs_no_more_than_a_page(tiny_model: Path) -> None:
    tokenizer = Tokenizer(locate(str(tiny_model)), 16)
    short = tokenizer.encode([TextPair("the film", "the plot " * 20)])
    kept = short.each()[0]
    assert kept[1:3].tolist() == Tokenizer(locate(str(tiny_model)), 16).encode(["the film"]).each()[0][1:3].tolist()
    huge = tokenizer.encode([TextPair("the film", "the plot " * 500_000)])
    np.testing.assert_array_equal(huge.ids, short.ids)
    assert huge.truncated.tolist() == [True]


def test_types_go_with_their_texts(tiny_model: Path) -> None:
    tokens = Tokenizer(locate(str(tiny_model)), 64).encode(PAIRS)
    taken = tokens.take(np.array([2, 0]))
    assert taken.types is not None
    assert len(taken.types) == len(taken.ids)
    np.testing.assert_array_equal(taken.padded(np.array([1]), 0)[2], tokens.padded(np.array([0]), 0)[2])
    as_one = Tokenizer(locate(str(tiny_model)), 64).encode(["the film is superb [SEP] the plot"])
    np.testing.assert_array_equal(as_one.ids, tokens.take(np.array([0])).ids)
    assert as_one.digests[0] != tokens.digests[0]
    assert len(as_one.padded(np.array([0]), 0)) == 2


def test_a_backbone_without_vectors_for_types_gets_none(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "one")
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    (tmp_path / "one" / "config.json").write_text(json.dumps({**config, "type_vocab_size": 1}))
    tokenizer = Tokenizer(locate(str(tmp_path / "one")), 64)
    assert not tokenizer.has_types
    assert len(tokenizer.encode(PAIRS).padded(np.arange(3), 0)) == 2


def test_what_pairs_have_no_room_for_is_refused(tiny_model: Path) -> None:
    with pytest.raises(SettingsError, match=r"--max-length 4 is not allowed: two texts take 5 tokens or more"):
        Tokenizer(locate(str(tiny_model)), 4).encode(PAIRS)
    with pytest.raises(SettingsError, match=r"--long-text head\+tail with pairs of texts is not allowed"):
        Tokenizer(locate(str(tiny_model)), 64, "head+tail").encode(PAIRS)
