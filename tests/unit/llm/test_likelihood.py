"""Likelihoods with a shared prefix are those of a plain forward pass for each prompt and word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import write_reviews
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.errors import LlmError
from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Gap
from trifold.llm.few_shot import FixedShots
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood import Likelihoods
from trifold.llm.open_model import open_llm
from trifold.llm.prompt_template import Example
from trifold.llm.settings import LlmSettings
from trifold.llm.token_tree import Continuations
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime

WORDS = ("good", "bad", "wonderful indeed", "a dull, tedious thing", "so so")
CPU = Runtime("cpu", "float32")


@pytest.fixture(scope="module")
def model(decoder: Path) -> CausalModel:
    found = open_llm(LlmSettings(llm=f"hf:{decoder}"), ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(found, CausalModel)
    return found


def gaps(folder: Path, texts: int, shots: int) -> list[Gap]:
    rows = load_examples(write_reviews(folder / "rows.csv", texts + shots, seed=5), DataSettings()).examples
    shown = tuple(Example({"text": text}, str(label)) for text, label in zip(rows.texts, rows.labels, strict=True))
    task = LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}", FixedShots(shown[:shots]))
    conversations = task.conversations(rows.texts[shots:])
    return [Gap(one, ("", ""), WORDS) for one in conversations]


def test_fifty_texts_five_labels_eight_examples(model: CausalModel, tmp_path: Path) -> None:
    rows = [model.continuations(gap) for gap in gaps(tmp_path, 50, 8)]
    fresh = Likelihoods(model.model, CPU, 4_096)
    shared = fresh.of(rows)
    computed, fresh.tokens_computed = fresh.tokens_computed, 0
    plain = fresh.plain(rows)
    np.testing.assert_allclose(shared, plain, atol=1e-4, rtol=0)
    assert fresh.tokens_computed > 15 * computed
    lengths = [len(word) for word in rows[0].words]
    assert min(lengths) == 1
    assert max(lengths) > 3


def test_batching_and_what_was_kept_before_change_nothing(model: CausalModel, tmp_path: Path) -> None:
    rows = [model.continuations(gap) for gap in gaps(tmp_path, 20, 2)]
    whole = Likelihoods(model.model, CPU, 100_000)
    small = Likelihoods(model.model, CPU, 1)
    expected = whole.of(rows)
    np.testing.assert_allclose(small.of(rows), expected, atol=1e-4, rtol=0)
    before = whole.tokens_computed
    again = whole.of(rows[:7])
    np.testing.assert_allclose(again, expected[:7], atol=1e-4, rtol=0)
    assert whole.tokens_computed - before < len(rows[0].prompt) + sum(len(row.prompt) for row in rows[:7]) / 2
    other = [Continuations(row.prompt[3:], row.words) for row in rows[7:]]
    np.testing.assert_allclose(whole.of(other), whole.plain(other), atol=1e-4, rtol=0)


def test_prompts_that_share_nothing(model: CausalModel) -> None:
    rows = [Continuations(tuple(range(5 + i, 9 + 3 * i)), ((7,), (8, 9, 10))) for i in range(6)]
    found = model.likelihoods.of(rows)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, model.likelihoods.plain(rows), atol=1e-4, rtol=0)


def other_decoders() -> dict[str, Callable[[], Any]]:
    """Positions learned, rotated, by distance; all memory, a window, a recurrent state."""
    import transformers as t

    small = {"vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    wide = {**small, "intermediate_size": 64, "num_key_value_heads": 1, "max_position_embeddings": 256}
    return {
        "gpt2": lambda: t.GPT2LMHeadModel(
            t.GPT2Config(vocab_size=200, n_embd=32, n_layer=2, n_head=2, n_positions=256)
        ),
        "qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**wide)),
        "mistral": lambda: t.MistralForCausalLM(t.MistralConfig(**wide, sliding_window=8)),
        "bloom": lambda: t.BloomForCausalLM(t.BloomConfig(vocab_size=200, hidden_size=32, n_layer=2, n_head=2)),
        "gpt-neox": lambda: t.GPTNeoXForCausalLM(
            t.GPTNeoXConfig(**small, intermediate_size=64, max_position_embeddings=256)
        ),
    }


@pytest.mark.parametrize(
    ("name", "shares"), [("gpt2", True), ("qwen2", True), ("gpt-neox", True), ("mistral", True), ("bloom", False)]
)
def test_other_architectures(name: str, shares: bool) -> None:
    torch.manual_seed(0)
    scorer = Likelihoods(other_decoders()[name]().eval(), CPU, 512)
    rng = np.random.default_rng(0)
    begin = tuple(rng.integers(0, 200, 40).tolist())
    rows = [
        Continuations(begin + tuple(rng.integers(0, 200, n).tolist()), ((3,), (4, 5), (6, 7, 8)))
        for n in (1, 3, 17, 30)
    ]
    assert scorer.shares == shares
    np.testing.assert_allclose(scorer.of(rows), scorer.plain(rows), atol=1e-4, rtol=0)


def test_too_long_is_told_with_the_count(model: CausalModel) -> None:
    task = LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}")
    gap = Gap(task.conversations(["film 🎬 " * 2_000])[0], ("", ""), WORDS)
    with pytest.raises(LlmError, match=r"the prompt has \d+,\d\d\d tokens and hf:.* reads 1,024"):
        model.log_likelihoods([gap])


def test_weights_in_several_files(model: CausalModel, tmp_path: Path) -> None:
    model.model.save_pretrained(tmp_path / "sharded", max_shard_size="200KB")
    model.tokenizer.save_pretrained(tmp_path / "sharded")
    asked = LlmSettings(llm=f"hf:{tmp_path / 'sharded'}")
    found = open_llm(asked, ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(found, CausalModel)
    assert len(found.files.shards()) > 1
    assert found.files.size_bytes() == pytest.approx(model.files.size_bytes(), rel=0.05)
    row = Continuations((5, 6, 7, 8), ((1,), (2, 3)))
    np.testing.assert_allclose(found.likelihoods.of([row]), model.likelihoods.of([row]), atol=1e-6)
