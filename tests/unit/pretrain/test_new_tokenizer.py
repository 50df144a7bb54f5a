"""New tokenizers: as large as asked, framed as their models want it, told when the text is too small."""

import os
from pathlib import Path

import pytest

from trifold.errors import DataError
from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.new_tokenizer import new_tokenizer
from trifold.pretrain.perplexity import measures
from trifold.pretrain.settings import CorpusSettings, ScratchSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents
from trifold.pretrain.training_pairs import training_pairs

WORDS = "The Keeper walked slowly towards the lighthouse, and the waves sang of journeys beyond the northern islands.\n"


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{number} {WORDS}" for number in range(200)))
    return Documents((path,), CorpusSettings())


def vocabulary(folder: Path, objective: str) -> Vocabulary:
    return Vocabulary.of(BackboneFiles(folder, "a new model", None), objective)  # type: ignore[arg-type]


def test_wordpiece_has_the_size_asked_for_and_frames_texts_as_bert_does(documents: Documents) -> None:
    known = vocabulary(new_tokenizer(documents, "wordpiece", ScratchSettings(vocab_size=120)), "mlm")
    name = known.tokenizer.id_to_token
    assert known.size == 120
    # Which pieces are learned last is up to the library where several are as common; the frame is not.
    tokens = known.tokenizer.encode("The waves").tokens
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert "".join(token.removeprefix("##") for token in tokens[1:-1]) == "Thewaves"
    assert [name(number) for number in (*known.before, *known.after, known.mask_id)] == ["[CLS]", "[SEP]", "[MASK]"]
    assert known.seen("The  waves\n") == "The waves"
    lower = vocabulary(new_tokenizer(documents, "wordpiece", ScratchSettings(vocab_size=120, lowercase=True)), "mlm")
    assert lower.seen("The Waves") == "the waves"


def test_bpe_loses_nothing_and_knows_every_text(documents: Documents) -> None:
    known = vocabulary(new_tokenizer(documents, "bpe", ScratchSettings(vocab_size=300)), "clm")
    strange = "  Ünder the\n\n☂ waves\t"
    assert known.tokenizer.decode(known.tokenizer.encode(strange).ids) == strange
    assert known.seen(strange) == strange
    assert known.tokenizer.id_to_token(known.after[0]) == "<|endoftext|>"


def test_the_most_recently_used_tokenizers_are_kept(
    documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("trifold.pretrain.new_tokenizer.MAX_KEPT", 2)
    first, second = (new_tokenizer(documents, "bpe", ScratchSettings(vocab_size=size)) for size in (300, 301))
    os.utime(second / "tokenizer.json", (0, 0))
    third = new_tokenizer(documents, "bpe", ScratchSettings(vocab_size=302))
    assert sorted(third.parent.glob("*/tokenizer.json")) == sorted(one / "tokenizer.json" for one in (first, third))


def test_a_vocabulary_larger_than_the_text_allows(documents: Documents) -> None:
    with pytest.raises(
        DataError, match=r"allows a vocabulary of [\d,]+ pieces and no more, and --vocab-size asks for 9,000"
    ):
        new_tokenizer(documents, "wordpiece", ScratchSettings(vocab_size=9_000))


def test_the_pairs_that_are_shown(tiny_model: Path) -> None:
    pairs = training_pairs(vocabulary(tiny_model, "mlm"), "The film is dull", 0.5, seed=0)
    assert [(pair.given, pair.target) for pair in pairs.next_words] == [
        ("The", "film"), ("The film", "is"), ("The film is", "dull"),
    ]  # fmt: skip
    assert [(pair.given, pair.target) for pair in pairs.masked_words] == [
        ("[MASK] film is dull", "The"), ("The [MASK] is dull", "film"),
        ("The film [MASK] dull", "is"), ("The film is [MASK]", "dull"),
    ]  # fmt: skip
    words = training_pairs(vocabulary(tiny_model, "mlm"), "a xyz", 0.5, seed=0).masked_words
    assert [pair.given for pair in words] == ["[MASK] xyz", "a [MASK] [MASK] [MASK]"], "a mask for each of its pieces"


def test_measures_by_hand() -> None:
    found = measures("clm", loss=2.0794415, accuracy=0.5, tokens=100, text_bytes=400)
    assert found.perplexity == pytest.approx(8)
    assert found.bits_per_byte == pytest.approx(0.75)
    assert "pseudo_perplexity" in measures("mlm", 1.0, 0.5, 1, 1).named()
