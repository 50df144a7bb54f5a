"""Likelihoods of every kind of decoder are those of plain forward passes: shared prefixes, windows, recurrent states."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.engines.attention_windows import layer_windows, longest_of_one_kind
from trifold.engines.bare_head import BareHead
from trifold.llm.causal_model import CausalModel
from trifold.llm.likelihood import Likelihoods
from trifold.llm.open_model import open_llm
from trifold.llm.settings import LlmSettings
from trifold.llm.token_tree import Continuations, branches_of
from trifold.llm.word_scores import log_sums, word_scores
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime

CPU = Runtime("cpu", "float32")
# Far shorter than the texts, so that most of the prefix is out of sight for most tokens.
WINDOW = 8
VOCABULARY = 200
SMALL = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
USUAL = {
    **SMALL, "intermediate_size": 64, "num_key_value_heads": 1, "max_position_embeddings": 256, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
MIXED = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "sliding_window": WINDOW}


def shared() -> dict[str, Callable[[], Any]]:
    """Decoders that compute a common prefix once: all tokens in sight, a window, or both in turns."""
    import transformers as t

    gemma = {**USUAL, **MIXED, "head_dim": 16, "query_pre_attn_scalar": 16}
    wide = {"initializer_range": 0.3}
    return {
        "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**USUAL, **wide)),
        "mistral": lambda: t.MistralForCausalLM(t.MistralConfig(**USUAL, **wide, sliding_window=WINDOW)),
        "gemma2": lambda: t.Gemma2ForCausalLM(t.Gemma2Config(**gemma, **wide)),
        "gemma3": lambda: t.Gemma3ForCausalLM(t.Gemma3TextConfig(**gemma, **wide)),
        "phi3": lambda: t.Phi3ForCausalLM(t.Phi3Config(**USUAL, **wide, sliding_window=WINDOW)),
        "qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**USUAL, **wide, **MIXED, use_sliding_window=True)),
        "qwen3": lambda: t.Qwen3ForCausalLM(
            t.Qwen3Config(**USUAL, **wide, **MIXED, use_sliding_window=True, head_dim=16)
        ),
        "cohere2": lambda: t.Cohere2ForCausalLM(t.Cohere2Config(**USUAL, **wide, **MIXED)),
        "gpt2": lambda: t.GPT2LMHeadModel(
            t.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2, n_positions=256, **wide)
        ),
        "gpt-neox": lambda: t.GPTNeoXForCausalLM(
            t.GPTNeoXConfig(**SMALL, **wide, intermediate_size=64, max_position_embeddings=256)
        ),
    }


def batched() -> dict[str, Callable[[], Any]]:
    """Decoders that cannot: positions by distance alone, recurrent states, both attention and recurrent states."""
    import transformers as t

    return {
        "bloom": lambda: t.BloomForCausalLM(t.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=2)),
        "mamba": lambda: t.MambaForCausalLM(
            t.MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4)
        ),
        "qwen3-next": lambda: t.Qwen3NextForCausalLM(
            t.Qwen3NextConfig(
                **USUAL,
                head_dim=16,
                layer_types=["linear_attention", "full_attention", "linear_attention"],
                linear_key_head_dim=8,
                linear_value_head_dim=8,
                linear_num_key_heads=2,
                linear_num_value_heads=2,
                num_experts=4,
                num_experts_per_tok=2,
                moe_intermediate_size=16,
                shared_expert_intermediate_size=16,
            )
        ),
    }


def made(name: str) -> Any:
    torch.manual_seed(0)
    return {**shared(), **batched()}[name]().eval()


def numbers(seed: int, count: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(3, VOCABULARY, count).tolist())


WORDS = ((3,), (4, 5), (6, 7, 8))
# Two tokens that begin alike and go on differently, words that others begin with, one of five tokens.
ALIKE = ((9,), (9, 10), (9, 10, 11), (9, 10, 12), (13,), (9, 14, 15, 16, 17))


@pytest.mark.parametrize("words", [WORDS, ALIKE], ids=["apart", "alike"])
@pytest.mark.parametrize("name", shared())
def test_a_prefix_is_shared_and_windows_are_kept(name: str, words: tuple[tuple[int, ...], ...]) -> None:
    scorer = Likelihoods(made(name), CPU, 512)
    begin = numbers(0, 40)
    rows = [Continuations(begin + numbers(length, length), words) for length in (1, 3, 17, 30)]
    assert scorer.shares
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("words", [WORDS, ALIKE], ids=["apart", "alike"])
@pytest.mark.parametrize("name", batched())
def test_what_cannot_be_shared_is_read_in_batches(name: str, words: tuple[tuple[int, ...], ...]) -> None:
    scorer = Likelihoods(made(name), CPU, 128)
    rows = [Continuations(numbers(length, length), words) for length in (30, 1, 17, 3, 40)]
    assert not scorer.shares
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["gemma3", "mistral", "llama"])
def test_the_window_counts_from_a_tokens_own_position(name: str) -> None:
    # A word of more tokens than the window, of which the last see nothing of the prompt.
    scorer = Likelihoods(made(name), CPU, 512)
    long = numbers(5, 2 * WINDOW)
    rows = [Continuations(numbers(0, 20) + numbers(n, n), (long, long[:3], (7,))) for n in (2, 9)]
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["gemma3", "bloom"])
def test_words_of_one_token_cost_no_more_than_the_prompt(name: str) -> None:
    scorer = Likelihoods(made(name), CPU, 4_096)
    assert scorer.of([Continuations((5,), ((1,),))]).shape == (1, 1)
    begin, ends = numbers(0, 40), [numbers(n, n) for n in (5, 6, 7)]
    hundred = tuple((token,) for token in range(50, 150))
    computed = []
    for words in (((3,),), hundred):
        scorer.tokens_computed = 0
        scorer.of([Continuations(begin[::-1] + begin + end, words) for end in ends])
        computed.append(scorer.tokens_computed)
    prompts = sum(map(len, ends)) + (80 if name == "gemma3" else 3 * 80)
    # The second time, the prefix is known.
    assert computed == [prompts, prompts - (80 if name == "gemma3" else 0)]


def test_a_hundred_words_of_several_tokens() -> None:
    rng = np.random.default_rng(0)
    words = tuple(tuple(rng.integers(3, 8, count).tolist()) for count in rng.integers(1, 6, 100))
    rows = [Continuations(numbers(0, 12) + numbers(n, n), words) for n in (2, 5)]
    scorer = Likelihoods(made("gemma3"), CPU, 512)
    expected = scorer.plain(rows)
    np.testing.assert_allclose(scorer.of(rows), expected, atol=1e-4, rtol=0)
    scorer.tokens_computed = 0
    scorer.of(rows)
    # Words of up to four tokens before the last, of five kinds: what they begin with in common is computed once.
    assert scorer.tokens_computed < 2 * (len(words) + 12)


def test_one_text_after_the_other_computes_the_examples_once() -> None:
    scorer = Likelihoods(made("gemma3"), CPU, 512)
    begin = numbers(0, 60)
    rows = [Continuations(begin + numbers(n, 6), WORDS) for n in range(5)]
    expected = scorer.plain(rows)
    scorer.of(rows[:1])
    scorer.tokens_computed = 0
    found = [scorer.of([row])[0] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    assert scorer.tokens_computed < 5 * 12


@pytest.mark.parametrize("name", ["gemma3", "llama", "gpt2"])
def test_long_prompts_that_share_little_go_through_the_model_several_at_a_time(name: str) -> None:
    model = made(name)
    scorer = Likelihoods(model, CPU, 1_024)
    assert scorer.shares
    rows = [Continuations(numbers(0, 2) + numbers(n, 140 + 5 * n), ALIKE) for n in (9, 1, 12, 4, 7, 2, 11)]
    expected = scorer.plain(rows)
    batches: list[int] = []
    body = getattr(model, model.base_model_prefix)
    body.register_forward_pre_hook(lambda *given: batches.append(len(given[2]["input_ids"])), with_kwargs=True)
    np.testing.assert_allclose(scorer.of(rows), expected, atol=1e-4, rtol=0)
    # The first pass is that of the prefix.
    assert sum(batches[1:]) == len(rows)
    assert len(batches) <= 4


def test_a_prefix_that_is_longer_than_the_budget() -> None:
    scorer = Likelihoods(made("gemma3"), CPU, 1)
    rows = [Continuations(numbers(0, 150) + numbers(n, n), WORDS) for n in (3, 4)]
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_both_precisions(precision: str) -> None:
    model = made("gemma3").to(torch.bfloat16 if precision == "bfloat16" else torch.float32)
    scorer = Likelihoods(model, Runtime("cpu", precision), 512)
    rows = [Continuations(numbers(0, 40) + numbers(n, n), ALIKE) for n in (3, 9)]
    assert scorer.shares
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=0.1 if precision == "bfloat16" else 1e-4)


@pytest.mark.parametrize("name", [*shared(), *batched()])
def test_the_head_alone_gives_the_logits_of_the_model(name: str) -> None:
    model = made(name)
    ids = torch.tensor([numbers(0, 9)])
    with torch.inference_mode():
        states = getattr(model, model.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state[0]
        found = BareHead(model)(states)
        expected = model(input_ids=ids, use_cache=False).logits[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", [*shared(), *batched()])
def test_a_few_words_have_logits_of_single_precision(name: str) -> None:
    model = made(name)
    if hasattr(model.config, "final_logit_softcapping"):
        model.config.final_logit_softcapping = 2.0
    if hasattr(model, "logit_scale"):
        model.logit_scale = 0.5
    ids, asked = torch.tensor([numbers(0, 9)]), torch.tensor([17, 3, 150])
    with torch.inference_mode():
        states = getattr(model, model.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state[0]
        expected = model(input_ids=ids, use_cache=False).logits[0][:, asked]
        torch.testing.assert_close(BareHead(model).of_words(states, asked), expected)
        # What the model rounds is its states and weights alone.
        half = model.to(torch.bfloat16)
        head, states = BareHead(half), states.bfloat16()
        found, rounded = head.of_words(states, asked), head(states)[:, asked].float()
        expected = BareHead(half.float())(states.float())[:, asked]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    assert (rounded - expected).abs().max() > 10 * (found - expected).abs().max()


def test_a_head_of_an_unusual_kind_gives_its_own_logits() -> None:
    model = made("llama")

    class Doubled(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return 2 * states @ model.model.embed_tokens.weight.T

    model.lm_head = Doubled()
    rows = [Continuations(numbers(0, 12) + numbers(n, n), ALIKE) for n in (2, 5)]
    scorer = Likelihoods(model, CPU, 512)
    assert scorer.shares
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("sharpness", [1.0, 60.0], ids=["unsure", "nearly certain"])
def test_words_in_bfloat16_are_near_those_in_single_precision(sharpness: float) -> None:
    model = made("llama")
    model.lm_head.weight.data.mul_(sharpness).copy_(model.lm_head.weight.bfloat16())
    states = torch.randn(40, 32, generator=torch.Generator().manual_seed(1)).bfloat16()
    rows = [Continuations((1, 2, number), ((5,), (7,), (9,), (150,))) for number in range(40)]
    with torch.inference_mode():
        expected = word_scores(BareHead(model), states.float(), rows)
        found = word_scores(BareHead(model.to(torch.bfloat16)), states, rows)
    assert (found <= 1e-6).all()

    def of_one(scores: np.ndarray) -> np.ndarray:
        return np.exp(scores[:, 0] - np.logaddexp(scores[:, 0], scores[:, 1]))

    np.testing.assert_allclose(of_one(found), of_one(expected), atol=1e-4, rtol=0)


def test_windows_of_the_layers() -> None:
    assert layer_windows(made("llama").config) == {"full_attention": None}
    assert layer_windows(made("phi3").config) == {"sliding_attention": WINDOW}
    assert layer_windows(made("gemma2").config) == {"full_attention": None, "sliding_attention": WINDOW}
    assert layer_windows(made("qwen3-next").config) is None


def test_positions_that_depend_on_the_longest_text_are_computed_text_by_text() -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(0)
    factors = {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    config = Phi3Config(
        **USUAL, original_max_position_embeddings=64, initializer_range=0.3,
        rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, **factors},
    )  # fmt: skip
    scorer = Likelihoods(Phi3ForCausalLM(config).eval(), CPU, 512)
    assert longest_of_one_kind(config) == 64
    assert longest_of_one_kind(made("llama").config) is None
    for longest in (20, 70):
        rows = [Continuations(numbers(0, 40) + numbers(n, n), WORDS) for n in (5, longest)]
        np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


def test_what_words_begin_with_in_common_stands_there_once() -> None:
    branches = branches_of(((1,), (1, 2), (1, 2, 3), (4, 5)))
    assert branches.tokens == (1, 2, 4)
    assert branches.paths == ((0,), (0, 1), (2,))
    assert branches.leaves() == [(0, 1), (2,)]
    assert branches.wanted.tolist() == [
        [-1, 1, 0], [-1, 1, 1], [0, 2, 1], [-1, 1, 2], [0, 2, 2], [1, 3, 2], [-1, 4, 3], [2, 5, 3],
    ]  # fmt: skip
    assert branches_of(((1,), (2,))).leaves() == [()]


def test_sums_of_powers_of_a_large_vocabulary() -> None:
    logits = torch.randn(9, 1 << 20, generator=torch.Generator().manual_seed(0)).mul_(5)
    found = log_sums(logits.bfloat16())
    expected = logits.bfloat16().double().logsumexp(-1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_scores_with_a_cap_are_computed_by_the_models_own_attention(decoder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(decoder)
    torch.manual_seed(0)
    gemma = {**USUAL, **MIXED, "vocab_size": len(tokenizer), "head_dim": 16, "query_pre_attn_scalar": 16}
    plain = Gemma2ForCausalLM(Gemma2Config(**gemma, initializer_range=0.3, attn_logit_softcapping=2.0)).eval()
    plain.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    opened = open_llm(LlmSettings(llm=f"hf:{tmp_path}"), ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(opened, CausalModel)
    assert opened.likelihoods.shares
    rows = [Continuations(numbers(0, 40) + numbers(n, n), WORDS) for n in (3, 9)]
    plain.set_attn_implementation("eager")
    expected = Likelihoods(plain, CPU, 512).plain(rows)
    np.testing.assert_allclose(opened.likelihoods.of(rows), expected, atol=1e-4, rtol=0)
