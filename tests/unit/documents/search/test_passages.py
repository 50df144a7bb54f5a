"""Documents cut into passages: nothing is lost, nothing is too long, and neighbours overlap."""

import itertools
from pathlib import Path

import pytest

from trifold.documents.search.passages import PassageSplitter
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer


def splitter(tiny_model: Path, tokens: int = 24, overlap: int = 1) -> PassageSplitter:
    return PassageSplitter(Tokenizer(locate(str(tiny_model)), tokens), "", overlap, "en")


def length(tiny_model: Path, text: str) -> int:
    return int(Tokenizer(locate(str(tiny_model)), 250).encode([text]).lengths[0])


def test_a_short_document_is_one_passage_as_it_stands(tiny_model: Path) -> None:
    texts = ["The film is superb.", "  a plot \n", "🎬🎬"]
    found = splitter(tiny_model).split(texts)
    assert [[one.text for one in passages] for passages in found] == [[text] for text in texts]
    assert [(one.start, one.end) for passages in found for one in passages] == [(0, len(text)) for text in texts]


def test_a_long_one_becomes_passages_of_whole_sentences_that_overlap(tiny_model: Path) -> None:
    text = " ".join(f"The film is superb in the plot {number}." for number in range(10, 30))
    found = splitter(tiny_model).split([text])[0]
    assert len(found) > 5
    assert (found[0].start, found[-1].end) == (0, len(text))
    for one in found:
        assert text[one.start : one.end] == one.text
        assert one.text.endswith(".")
        assert length(tiny_model, one.text) <= 24
    for one, following in itertools.pairwise(found):
        assert one.start < following.start < one.end < following.end
    apart = splitter(tiny_model, overlap=0).split([text])[0]
    assert all(one.end <= following.start for one, following in itertools.pairwise(apart))
    assert len(apart) < len(found)


@pytest.mark.parametrize("text", ["film " * 400, "ab-" * 900, "film\n\n" * 300, "映画は素晴らしい" * 100])
def test_text_without_sentences_is_cut_all_the_same(tiny_model: Path, text: str) -> None:
    found = splitter(tiny_model).split([text])[0]
    assert len(found) > 1
    assert all(length(tiny_model, one.text) <= 24 for one in found)
    covered = set().union(*(range(one.start, one.end) for one in found))
    assert all(place in covered for place, character in enumerate(text) if not character.isspace())


def test_five_megabytes_take_seconds(tiny_model: Path) -> None:
    text = "The film is superb. " * 250_000
    found = splitter(tiny_model, 200).split([text])[0]
    assert found[-1].end == len(text.rstrip())
