"""Training the word vectors that occur gives what training all of them gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens
from trifold.models.vocabulary_pruning import tokens_that_occur

TEXTS = ["The film is wonderful", "the cast is awful, the plot clumsy", "number 7"]
DECODER = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 64,
}  # fmt: skip
KINDS = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "mpnet": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    **dict.fromkeys(("gemma3_text", "qwen3", "llama"), DECODER),
}
PAD = 1


@pytest.fixture
def tokens(tiny_model: Path) -> Tokens:
    found = Tokenizer(locate(str(tiny_model)), 32).encode(TEXTS)
    # Of these architectures two count positions from behind the padding's number, so a number is kept free for it.
    return Tokens(found.ids + 2, found.offsets, found.truncated)


def new(kind: str) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=300, max_position_embeddings=66, pad_token_id=PAD, **KINDS[kind])
    return AutoModelForSequenceClassification.from_config(config).eval()


def steps(model: Any, tokens: Tokens) -> None:
    """A few of plain AdamW, without the decay that would move vectors of words that were never read."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    ids, mask = tokens.batch(np.arange(len(tokens)), PAD)
    for _ in range(3):
        model(input_ids=ids, attention_mask=mask, labels=torch.tensor([0, 1, 1])).loss.backward()
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_is_learned(kind: str, tokens: Tokens) -> None:
    whole, small, fresh = new(kind), new(kind), new(kind)
    steps(whole, tokens)
    with tokens_that_occur(small, [tokens], PAD) as (renumbered,):
        occurring = len(np.unique(tokens.ids))
        assert small.get_input_embeddings().num_embeddings <= occurring + PAD + 1 < 300
        steps(small, renumbered)
    for (name, one), other in zip(whole.named_parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=name)
    table, before = small.get_input_embeddings().weight, fresh.get_input_embeddings().weight
    assert len(table) == 300
    moved = (table != before).any(1).nonzero().flatten().tolist()
    assert moved == sorted(set(tokens.ids.tolist()))


def test_after_a_failure_the_table_is_whole_again(tokens: Tokens) -> None:
    model = new("bert")

    def fail() -> None:
        with tokens_that_occur(model, [tokens], PAD):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert model.get_input_embeddings().num_embeddings == 300


def test_what_is_frozen_or_tied_to_a_language_head_is_left_alone(tokens: Tokens) -> None:
    from transformers import BertConfig, BertForMaskedLM

    frozen = new("bert")
    frozen.get_input_embeddings().weight.requires_grad_(False)
    tied = BertForMaskedLM(BertConfig(vocab_size=300, max_position_embeddings=66, **KINDS["bert"]))
    for model in (frozen, tied):
        with tokens_that_occur(model, [tokens], PAD) as (same,):
            assert same is tokens
            assert model.get_input_embeddings().num_embeddings == 300
