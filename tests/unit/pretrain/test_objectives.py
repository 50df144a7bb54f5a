"""Packing, masking and shifting by hand-made tables, against Hugging Face's collator and transformers' own loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.engines.language_head import word_logits, word_loss
from trifold.models import chunked_cross_entropy as cross_entropy
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import locate
from trifold.pretrain.corpus import Corpus, Part, Span
from trifold.pretrain.language_models import language_model, new_model
from trifold.pretrain.masking import Masking
from trifold.pretrain.objectives import MaskedWords, NextWords
from trifold.pretrain.packing import Blocks
from trifold.pretrain.settings import ScratchSettings
from trifold.pretrain.special_tokens import Vocabulary

# Ids of a hand-made text; ~5 goes on with the word of 4. 3 ends a document.
TEXT = [10, 11, 4, ~5, 12, 3, 13, 14, 3, 15, 16, ~17, 18, 19]


def corpus(tokens: list[int]) -> Corpus:
    none = np.zeros(0, dtype=np.int64)
    return Corpus(np.array(tokens, dtype=np.int32), none, none.astype(bool), none, {})


def vocabulary(mask_id: int | None = 9) -> Vocabulary:
    encoder = mask_id is not None
    return Vocabulary(None, 40, np.array([0, 1, 2, 3, 9]), (2,) if encoder else (), (3,) if encoder else (1,), mask_id)


def test_blocks_are_full_framed_and_end_to_end() -> None:
    blocks = Blocks.of(corpus(TEXT), Part((Span(0, 14),), 0), vocabulary(), 6)
    ids, goes_on = blocks.read(np.arange(len(blocks)))
    assert ids.tolist() == [[2, 10, 11, 4, 5, 3], [2, 12, 3, 13, 14, 3], [2, 3, 15, 16, 17, 3]]
    assert np.argwhere(goes_on).tolist() == [[0, 4], [2, 4]]


def test_blocks_run_over_what_the_other_part_holds() -> None:
    part = Part((Span(0, 3), Span(6, 9), Span(12, 14)), 0)
    ids, goes_on = Blocks.of(corpus(TEXT), part, vocabulary(), 5).read(np.array([1, 0]))
    assert ids.tolist() == [[2, 13, 14, 3, 3], [2, 10, 11, 4, 3]]
    # A word cut by a block's edge is whole from there on.
    assert not Blocks.of(corpus(TEXT[3:]), Part((Span(0, 4),), 0), vocabulary(), 6).read(np.array([0]))[1].any()
    assert not goes_on.any()


def test_a_decoders_blocks_predict_every_token_but_the_first_exactly_once() -> None:
    blocks = Blocks.of(corpus(TEXT), Part((Span(0, 14),), 0), vocabulary(None), 4)
    ids, _ = blocks.read(np.arange(len(blocks)))
    assert ids.tolist() == [[10, 11, 4, 5, 12], [12, 3, 13, 14, 3], [3, 15, 16, 17, 18]]
    assert ids[:, 1:].flatten().tolist() == [abs(t) if t >= 0 else ~t for t in TEXT[1:13]]


def masked(rows: int, probability: float = 0.15, *, always: bool = False) -> tuple[Any, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = rng.integers(10, 40, (rows, 128))
    ids[:, 0], ids[:, -1], ids[:, 50] = 2, 3, 3
    goes_on = rng.random(ids.shape) < 0.3
    goes_on[:, [0, 1, 50, 51, -1]] = False
    return Masking(vocabulary(), probability, always_mask=always).mask(ids, goes_on, rng), ids, goes_on


def test_fifteen_percent_are_chosen_of_which_80_10_10() -> None:
    found, ids, _ = masked(2_000)
    text = ~np.isin(ids, [2, 3])
    assert found.chosen[text].mean() == pytest.approx(0.15, abs=0.003)
    assert not found.chosen[~text].any()
    now, true = found.inputs[found.chosen], ids[found.chosen]
    assert (now == 9).mean() == pytest.approx(0.8, abs=0.01)
    # One in thirty of the random ones is the token itself.
    assert (now == true).mean() == pytest.approx(0.1 + 0.1 / 35, abs=0.005)
    assert not np.isin(now[now != 9], [0, 1, 2, 3]).any(), "no special token ever stands for a word"
    assert np.array_equal(found.inputs[~found.chosen], ids[~found.chosen])


def test_a_word_is_chosen_whole_or_not_at_all() -> None:
    found, _, goes_on = masked(200)
    assert np.array_equal(found.chosen[:, 1:][goes_on[:, 1:]], found.chosen[:, :-1][goes_on[:, 1:]])
    assert found.chosen[goes_on].any()


def test_for_measuring_all_chosen_are_masked() -> None:
    found, _, _ = masked(50, always=True)
    assert (found.inputs[found.chosen] == 9).all()


def test_rates_are_those_of_hugging_faces_collator() -> None:
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling

    files = locate("minilm")
    known = Vocabulary.of(files, "mlm")
    text = "The screenwriter's unbelievable storytelling captivated filmgoers everywhere, notwithstanding its length. "
    encoding = known.tokenizer.encode(text * 8)
    ids = np.tile(np.array(encoding.ids), (400, 1))
    words = np.array([-1 if word is None else word for word in encoding.word_ids])
    goes_on = np.tile(np.concatenate([[False], (words[1:] == words[:-1]) & (words[1:] >= 0)]), (400, 1))
    mine = Masking(known, 0.15).mask(ids, goes_on, np.random.default_rng(1))
    tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
    # No whole words: theirs splits this tokenizer's words at the spaces of the text; the rates are the same.
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=1)
    theirs = collate([{"input_ids": row} for row in torch.from_numpy(ids)])
    inputs, chosen = theirs["input_ids"].numpy(), theirs["labels"].numpy() != -100
    for have, want in (
        (mine.chosen.mean(), chosen.mean()),
        ((mine.inputs[mine.chosen] == known.mask_id).mean(), (inputs[chosen] == known.mask_id).mean()),
        ((mine.inputs[mine.chosen] == ids[mine.chosen]).mean(), (inputs[chosen] == ids[chosen]).mean()),
    ):
        assert have == pytest.approx(want, abs=0.01)
    assert set(ids[mine.chosen]) == set(ids[chosen]) == set(ids[0]) - set(tokenizer.all_special_ids)


@pytest.fixture(scope="module")
def some_blocks() -> Corpus:
    return corpus(np.random.default_rng(0).integers(10, 40, 400).tolist())


def hugging_face_loss(model: Any, inputs: np.ndarray, labels: np.ndarray) -> float:
    with torch.no_grad():
        return float(model(input_ids=torch.from_numpy(inputs), labels=torch.from_numpy(labels)).loss)


def test_masked_loss_is_transformers_own(some_blocks: Corpus) -> None:
    torch.manual_seed(0)
    model = new_model(
        replace(vocabulary(), tokenizer=Ids()), "mlm", ScratchSettings(layers=2, hidden_size=32), 32
    ).eval()
    blocks = Blocks.of(some_blocks, Part((Span(0, 400),), 0), vocabulary(), 32)
    masking = Masking(vocabulary(), 0.3)
    objective = MaskedWords(blocks, masking, "cpu", np.full(len(blocks), 32), seed=5)
    positions = np.arange(len(blocks))
    mine = objective.loss(model, positions)
    ids, goes_on = blocks.read(positions)
    each = [masking.mask(ids[i : i + 1], goes_on[i : i + 1], np.random.default_rng([5, i])) for i in positions]
    inputs, chosen = (np.concatenate([getattr(one, name) for one in each]) for name in ("inputs", "chosen"))
    theirs = hugging_face_loss(model, inputs, np.where(chosen, ids, -100))
    assert mine.count == chosen.sum()
    assert float(mine.total.detach()) / mine.count == pytest.approx(theirs, abs=1e-5)
    # The same words are hidden again, however the blocks are batched.
    parts = [objective.loss(model, part) for part in (positions[:3], positions[3:])]
    assert sum(float(part.total.detach()) for part in parts) == pytest.approx(float(mine.total.detach()), rel=1e-5)


def test_next_word_loss_is_transformers_own(some_blocks: Corpus) -> None:
    torch.manual_seed(0)
    known = vocabulary(None)
    model = new_model(replace(known, tokenizer=Ids()), "clm", ScratchSettings(layers=2, hidden_size=32), 33).eval()
    blocks = Blocks.of(some_blocks, Part((Span(0, 400),), 0), known, 32)
    mine = NextWords(blocks, "cpu", np.full(len(blocks), 32)).loss(model, np.arange(4))
    ids, _ = blocks.read(np.arange(4))
    assert mine.count == 4 * 32
    assert float(mine.total.detach()) / mine.count == pytest.approx(hugging_face_loss(model, ids, ids), abs=1e-5)


class Ids:
    """Stands in for a tokenizer where only a padding id is asked for."""

    def token_to_id(self, _name: str) -> int:
        return 0


def test_the_head_is_computed_at_chosen_places_alone_and_says_the_same(tiny_model: Path) -> None:
    files = BackboneFiles(tiny_model, str(tiny_model), None)
    model = language_model(files, "mlm").eval()
    ids = torch.randint(5, 40, (3, 12))
    where = torch.rand(3, 12) < 0.3
    seen = []
    handle = model.cls.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].shape[:-1].numel()))
    with torch.no_grad():
        some, every = word_logits(model, ids, where), word_logits(model, ids, None)
    handle.remove()
    torch.testing.assert_close(some, every[where.flatten()])
    assert seen == [int(where.sum()), 36]


def test_a_new_masked_head_is_tied_to_the_word_vectors_and_starts_as_the_identity() -> None:
    model = language_model(locate("minilm"), "mlm")
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight
    torch.testing.assert_close(model.cls.predictions.transform.dense.weight, torch.eye(384))
    assert model.config.hidden_dropout_prob == 0.1, "whoever fine-tunes the model finds its dropout"
    assert {part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)} == {0.0}


@pytest.mark.parametrize("name", ["RobertaForMaskedLM", "DistilBertForMaskedLM", "GPT2LMHeadModel", "LlamaForCausalLM"])
def test_other_architectures_are_asked_at_chosen_places_in_the_same_way(name: str) -> None:
    import transformers

    model_class = getattr(transformers, name)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40}
    if not name.startswith("Distil"):
        shape |= {"intermediate_size": 32} if name != "GPT2LMHeadModel" else {}
    torch.manual_seed(0)
    model = model_class(model_class.config_class(**shape, pad_token_id=1)).eval()
    ids = torch.randint(5, 40, (3, 12))
    where = torch.rand(3, 12) < 0.3
    with torch.no_grad():
        some, every = word_logits(model, ids, where), word_logits(model, ids, None)
        padded = word_logits(model, ids, where, torch.ones_like(ids))
    torch.testing.assert_close(some, every[where.flatten()])
    torch.testing.assert_close(padded, some)


def plainly(model: Any, ids: torch.Tensor, where: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, int]:
    logits = word_logits(model, ids, where).float()
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), int((logits.argmax(1) == targets).sum())


@pytest.mark.parametrize("chunk_bytes", [96 << 20, 4 * 40 * 5])
@pytest.mark.parametrize(
    "name", ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM", "GPT2LMHeadModel", "GPTNeoXForCausalLM"]
)
def test_loss_and_gradients_made_chunk_by_chunk_are_the_plain_ones(
    name: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.setattr(cross_entropy, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(cross_entropy, "CACHED_ROWS", 3)
    model_class = getattr(transformers, name)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40}
    shape |= {"intermediate_size": 32, "hidden_dim": 32} if not name.startswith("GPT2") else {}
    torch.manual_seed(0)
    model = model_class(model_class.config_class(**shape, pad_token_id=1)).eval()
    head = model.get_output_embeddings()
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
    ids = torch.randint(5, 40, (3, 12))
    where = torch.rand(3, 12) < 0.5
    targets = ids[where]
    found = []
    for way in (word_loss, plainly):
        model.zero_grad()
        total, right = way(model, ids, where, targets)
        (total / 7).backward()
        grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((float(total.detach()), right, grads))
    mine, theirs = found
    assert mine[0] == pytest.approx(theirs[0], rel=1e-6)
    assert mine[1] == theirs[1]
    torch.testing.assert_close(mine[2], theirs[2], rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert float(word_loss(model, ids, where, targets)[0]) == pytest.approx(theirs[0], rel=1e-6)
    assert word_logits(model, ids, where).shape[1] == 40, "the layer over the vocabulary is there again"


def test_a_frozen_vocabulary_and_half_precision_lose_nothing() -> None:
    torch.manual_seed(0)
    hidden, words, bias = torch.randn(9, 16, requires_grad=True), torch.randn(40, 16), torch.randn(40)
    targets = torch.randint(40, (9,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = cross_entropy.linear_cross_entropy(hidden, words, bias, targets)
    total.backward()
    logits = torch.nn.functional.linear(hidden.detach().requires_grad_(), words, bias)
    plain = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    assert words.grad is None
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.float32
    assert float(total.detach()) == pytest.approx(float(plain.detach()), rel=0.02)
    (expected,) = torch.autograd.grad(
        torch.nn.functional.cross_entropy(hidden @ words.t() + bias, targets, reduction="sum"), hidden
    )
    torch.testing.assert_close(hidden.grad, expected, rtol=0.05, atol=0.1)


def test_logits_that_are_scaled_behind_the_vocabulary_are_computed_as_they_are() -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.CohereConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, intermediate_size=32,
        vocab_size=40, logit_scale=0.1,
    )  # fmt: skip
    model = transformers.CohereForCausalLM(config).eval()
    ids = torch.randint(5, 40, (2, 8))
    with torch.no_grad():
        mine, _ = word_loss(model, ids, None, ids.flatten())
        theirs = torch.nn.functional.cross_entropy(model(ids).logits.flatten(0, 1), ids.flatten(), reduction="sum")
    assert float(mine) == pytest.approx(float(theirs), rel=1e-6)
