"""Many prompts continued at once: what is written to one is what would be written to it alone."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from trifold.errors import BackboneError
from trifold.models import batched_generation
from trifold.models.batched_generation import continue_prompts
from trifold.models.text_generation import Continuation, Decoding, continue_prompt

WORDS = 97
SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "eos_token_id": 1}
PLAIN = Decoding(max_new_tokens=20)
PROMPTS = [[random.Random(n).randrange(2, WORDS) for _ in range(1 + n % 7)] for n in range(12)]


def decode(ids: list[int]) -> str:
    return " ".join(map(str, ids))


def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(vocab_size=WORDS, num_hidden_layers=2, pad_token_id=0, **SIZES))


def gemma() -> Any:
    """Layers with a window of six tokens between those that attend to all."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = Gemma3TextConfig(
        vocab_size=WORDS,
        num_hidden_layers=3,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=6,
        layer_types=kinds,
        **SIZES,
    )
    return Gemma3ForCausalLM(config)


def gpt2() -> Any:
    """A vector for each position."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=1, bos_token_id=1))  # fmt: skip


def mamba() -> Any:
    """A state instead of keys and values."""
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, state_size=8, eos_token_id=1, pad_token_id=0))  # fmt: skip


@pytest.fixture(params=[llama, gemma, gpt2, mamba], ids=lambda one: str(one.__name__))
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    found = request.param().eval()
    with torch.no_grad():
        # Larger logits, so that texts end at different lengths and no two tokens are as good as each other.
        found.get_output_embeddings().weight.mul_(6)
    return found


def together(model: Any, prompts: list[tuple[list[int], Decoding]]) -> list[Any]:
    found = [one for batch in continue_prompts(model, "tiny", prompts, decode, 512) for one in batch]
    assert sorted(number for number, _ in found) == list(range(len(prompts)))
    return [continuation for _, continuation in sorted(found, key=lambda one: one[0])]


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_neighbours_change_nothing(model: Any, temperature: float) -> None:
    asked = [
        (ids, replace(PLAIN, temperature=temperature, seed=number % 5, max_new_tokens=3 + number, stop=("5 ",)))
        for number, ids in enumerate(PROMPTS)
    ]
    found = together(model, asked)
    assert found == [together(model, [one])[0] for one in asked]
    assert len({one.tokens for one in found}) > 3, "texts of several lengths"
    assert all(one.tokens <= how.max_new_tokens for one, (_, how) in zip(found, asked, strict=True))
    if not temperature:
        assert found == [continue_prompt(model, "tiny", *one[:1], decode, one[1])[0] for one in asked]


def test_equal_prompts_with_other_seeds_get_other_answers(model: Any) -> None:
    found = together(model, [(PROMPTS[6], replace(PLAIN, temperature=1.5, seed=seed)) for seed in (1, 2, 3, 4, 1)])
    assert found[0] == found[4]
    assert len({one.text for one in found}) >= 2


def test_a_penalty_for_repeating_counts_no_padding() -> None:
    torch.manual_seed(0)
    model = llama().eval()
    asked = [(ids, replace(PLAIN, repetition_penalty=1.5, pad_id=PROMPTS[0][0])) for ids in PROMPTS]
    assert together(model, asked) == [together(model, [one])[0] for one in asked]


def test_what_has_ended_leaves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = llama().eval()
    rows: list[int] = []
    forward = type(model).forward

    def counting(self: Any, input_ids: torch.Tensor, **options: Any) -> Any:
        rows.append(len(input_ids))
        return forward(self, input_ids=input_ids, **options)

    asked = [(ids, replace(PLAIN, max_new_tokens=4 if n % 2 else 12, end_id=WORDS)) for n, ids in enumerate(PROMPTS)]
    together(model, asked[:2])  # tries whether padding does harm
    monkeypatch.setattr(type(model), "forward", counting)
    together(model, asked)
    assert rows == [12] * 4 + [6] * 8


def test_a_model_that_is_disturbed_by_padding_reads_prompts_of_one_length_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    model = llama().eval()
    monkeypatch.setattr(batched_generation, "_pads_harmlessly", lambda _: False)
    sizes: list[tuple[int, ...]] = []
    prefill = type(model)._prefill

    def noting(self: Any, input_ids: torch.Tensor, *given: Any, **options: Any) -> Any:
        sizes.append(tuple(input_ids.shape))
        return prefill(self, input_ids, *given, **options)

    monkeypatch.setattr(type(model), "_prefill", noting)
    together(model, [(ids, PLAIN) for ids in PROMPTS])
    assert sorted(sizes) == [(1, 6), (1, 7), *[(2, length) for length in range(1, 6)]]


def test_a_prompt_that_fails_costs_no_other() -> None:
    """Beyond the table of positions, of which the configuration is silent."""
    torch.manual_seed(0)
    model = gpt2().eval()
    asked = [([5] * 3, PLAIN), ([5] * 60, PLAIN), ([7] * 4, PLAIN)]
    found = together(model, asked)
    assert isinstance(found[1], BackboneError)
    assert "cannot read 60 tokens and write 20" in str(found[1])
    assert [found[0], found[2]] == [together(model, [one])[0] for one in (asked[0], asked[2])]


def test_pieces_are_passed_on_as_they_are_written() -> None:
    torch.manual_seed(0)
    pieces: list[str] = []
    how = replace(PLAIN, end_id=WORDS)
    ((_, found),) = next(continue_prompts(llama().eval(), "tiny", [(PROMPTS[3], how)], decode, 512, pieces.append))
    assert isinstance(found, Continuation)
    assert len(pieces) > 10
    assert "".join(pieces) == found.text
