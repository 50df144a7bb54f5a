"""Decoders without a pad token, without a chat template, or whose template refuses a system turn, and unusual labels.

Each label's likelihood is compared with that of the whole text by a plain forward pass of transformers.
"""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.llm.call_log import CallLog
from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Sampling
from trifold.llm.few_shot import FixedShots
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import open_llm
from trifold.llm.prompt_template import Example, Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.models.settings import ComputeSettings

TEXTS = ["The film is superb", "", "a dull plot and a long, long wait for the end"]
REFUSING = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LABELS = {
    "labels that begin alike": ("no", "not", "nothing"),
    "one of many tokens": ("good", "qzx jvw kfp yyy", "bad"),
    "a hundred": tuple(f"label number {number}" for number in range(100)),
}


def changed(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def no_pad_token(folder: Path) -> None:
    changed(folder, "tokenizer_config.json", lambda found: found.pop("pad_token"))
    for name in ("config.json", "generation_config.json"):
        changed(folder, name, lambda found: found.pop("pad_token_id", None))


def no_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def no_system_turn(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(REFUSING)


@pytest.fixture(params=[no_pad_token, no_chat_template, no_system_turn])
def folder(request: pytest.FixtureRequest, decoder: Path, tmp_path: Path) -> Path:
    found = shutil.copytree(decoder, tmp_path / "decoder")
    request.param(found)
    return found


def opened(folder: Path) -> CausalModel:
    found = open_llm(LlmSettings(llm=f"hf:{folder}"), ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(found, CausalModel)
    return found


@cache
def plain(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def of_whole_texts(folder: Path, shown: str, words: tuple[str, ...], *, template: bool) -> np.ndarray:
    """Log-likelihood of the prompt with each word, `(words,)`."""
    model, tokenizer = plain(folder)
    found = []
    for word in words:
        ids = tokenizer(shown + word, add_special_tokens=not template, return_tensors="pt")["input_ids"]
        logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        found.append(logs.gather(1, ids[0, 1:, None]).double().sum().item())
    return np.array(found)


@pytest.mark.parametrize("name", LABELS)
def test_labels_have_the_likelihoods_of_plain_forward_passes(name: str, folder: Path, tmp_path: Path) -> None:
    model, words = opened(folder), LABELS[name]
    template = bool(model.tokenizer.chat_template)
    shots = FixedShots((Example({"text": "charming"}, words[0]), Example({"text": "tedious"}, words[-1])))
    task = LabellingTask(plain_prompt(words), words, "{text} {mask}", shots)
    # Without a template the word comes behind "Label: ", whose space belongs to the word.
    found = LikelihoodLabeller(model, task, CallLog(tmp_path / "log"), SpendingLimit()).judge(TEXTS)
    assert not found.problems
    # Of a hundred labels one text is enough.
    for text, logits in list(zip(TEXTS, found.logits, strict=True))[: 1 if len(words) > 10 else None]:
        (conversation,) = task.conversations([text])
        expected = of_whole_texts(folder, model.shown(conversation), words, template=template)
        np.testing.assert_allclose(logits - logits.mean(), expected - expected.mean(), atol=2e-3)


def test_prompts_of_unequal_length_are_answered_together_as_alone(folder: Path) -> None:
    model = opened(folder)
    asked = [
        ((Message("system", "You label texts."), Message("user", f"Text: {text}\nLabel:")), Sampling(max_tokens=4))
        for text in TEXTS
    ]
    alone = [model.complete(*one).text for one in asked]
    together = dict(model.complete_many(asked))
    assert [getattr(together[number], "text", together[number]) for number in range(len(TEXTS))] == alone
