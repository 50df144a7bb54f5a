"""Answers held to a schema or to words: whatever a model with random weights would rather write."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from language_models import CHAT_TEMPLATE
from scripted_server import Reply, scripted
from trifold.cli.main import run
from trifold.errors import BackboneError, LlmError
from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Choice, Sampling
from trifold.llm.local_model import open_files, open_local
from trifold.llm.prompt_template import Message
from trifold.models import answer_grammar
from trifold.models.answer_grammar import AnswerForms
from trifold.models.settings import ComputeSettings

pytest.importorskip("llguidance")

SCHEMA = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}, "tags": {"type": "array", "items": {"enum": ["plot", "cast"]}, "maxItems": 2}},
    "required": ["stars", "tags"],
    "additionalProperties": False,
}  # fmt: skip
ASKED = [(Message("user", text),) for text in ("a film", "another one, longer than that", "and a third")]
ON_CPU = ("--device", "cpu", "--precision", "float32")


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with random weights, to which every token is nearly as good as any other."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "untaught"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(['{"stars": 3, "tags": ["plot", "cast"]} not so good, bad'] * 20, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    # More logits than tokens, as models have them that are padded to a round number.
    config = LlamaConfig(
        vocab_size=len(fast) + 13, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=1024, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(untaught: Path) -> CausalModel:
    found = open_local(str(untaught), ComputeSettings(device="cpu", precision="float32", offline=True))
    assert isinstance(found, CausalModel)
    return found


def answers(model: CausalModel, how: Sampling) -> list[str]:
    asked = [(conversation, replace(how, vote=number)) for number, conversation in enumerate(ASKED)]
    found: dict[int, Any] = dict(model.complete_many(asked))
    return [found[number].text for number in range(len(ASKED))]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_answers_obey_the_schema(temperature: float, model: CausalModel) -> None:
    how = Sampling(max_tokens=200, temperature=temperature, json_schema=json.dumps(SCHEMA))
    found = answers(model, how)
    for one in map(json.loads, found):
        assert set(one) == {"stars", "tags"}
        assert one["stars"] in range(1, 6)
        assert len(one["tags"]) <= 2
        assert set(one["tags"]) <= {"plot", "cast"}
    alone = [model.complete(one, replace(how, vote=number)).text for number, one in enumerate(ASKED)]
    assert found == alone, "neighbours change nothing"


def test_a_schema_that_refers_to_itself_without_an_end_is_told(
    model: CausalModel, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is a schema, and no answer of any length obeys it; what the library says of that is not printed."""
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}, "additionalProperties": False}
    how = Sampling(max_tokens=20, json_schema=json.dumps(endless))
    found = dict(model.complete_many([(conversation, how) for conversation in ASKED]))
    for one in found.values():
        assert isinstance(one, LlmError)
        assert "the answer cannot be held to its form" in str(one)
    with pytest.raises(LlmError, match="refers to itself without an end"):
        model.complete(ASKED[0], how)
    assert "parser error" not in "".join(capfd.readouterr())


def test_any_object_where_there_is_no_schema(model: CausalModel) -> None:
    found = answers(model, Sampling(max_tokens=400, temperature=1.0, json_schema="{}"))
    assert all(one.startswith("{") for one in found)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_an_answer_is_one_of_the_choices(temperature: float, model: CausalModel) -> None:
    words = ("good", "not so good", 'a "bad" one', "grün")
    how = Sampling(max_tokens=20, temperature=temperature, choices=tuple(map(Choice, words)))
    assert {one.strip() for one in answers(model, how)} <= set(words)


def test_what_answers_cannot_be_held_to_is_said(model: CausalModel) -> None:
    with pytest.raises(LlmError, match=r"answers cannot be held to output\.schema \(.+\): write it without that"):
        model.complete(ASKED[0], Sampling(json_schema=json.dumps({"type": "no such type"})))


def test_without_the_package_answers_are_asked_for_in_words(
    untaught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> None:
        raise BackboneError(f"answers are held to no form without llguidance: {answer_grammar.INSTALL}")

    open_files.cache_clear()
    monkeypatch.setattr("trifold.llm.held_answers.AnswerForms", missing)
    (tmp_path / "p.toml").write_text('task = "Say it."\noutput = { format = "json" }\n')
    words = (
        "prompt",
        "run",
        tmp_path / "p.toml",
        "--llm",
        f"hf:{untaught}",
        "--log",
        tmp_path / "log",
        "--max-tokens",
        9,
    )
    assert run([str(word) for word in (*words, *ON_CPU)]) == 0
    err = capsys.readouterr().err
    assert "note: answers are held to no form without llguidance: pip install 'trifold[grammar]'" in err
    assert "the answer is no JSON" in err
    open_files.cache_clear()


def test_a_tokenizer_that_cannot_be_read_is_named(model: CausalModel) -> None:
    with pytest.raises(BackboneError, match="answers of tiny are held to no form"):
        AnswerForms("tiny", object(), 10)


def test_a_prompt_on_rows_gives_json_of_each(untaught: Path, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'task = "{text}"\nvariables = { text = "" }\n[output]\nformat = "json"\n'
        'schema = { type = "object", properties = { stars = { type = "integer" } }, required = ["stars"] }\n'
    )
    (tmp_path / "rows.csv").write_text("text\na film\nanother\n")
    words = ("prompt", "run", tmp_path / "p.toml", "--file", tmp_path / "rows.csv", "--llm", f"hf:{untaught}")
    more = ("--output", tmp_path / "out.jsonl", "--log", tmp_path / "log", "--temperature", 0.7)
    assert run([str(word) for word in (*words, *more, *ON_CPU)]) == 0
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        found = json.loads(line)
        assert found["error"] is None or "no JSON" in found["error"]
        assert found["answer"].startswith('{"stars": ')


def test_labels_by_written_answers_are_labels(
    untaught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.toml").write_text(
        'task = "{text}"\nvariables = { text = "" }\noutput = { labels = ["good", "bad"] }\n'
    )
    (tmp_path / "rows.csv").write_text("text\n" + "a film\n" * 5 + "another\n")
    words = ("label", tmp_path / "rows.csv", "--prompt", tmp_path / "p.toml", "--log", tmp_path / "log")
    to = ("--llm", f"hf:{untaught}", "--label-by", "answers", "--output", tmp_path / "out.jsonl", *ON_CPU)
    assert run([str(word) for word in (*words, *to)]) == 0
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {row["label"] for row in found} <= {"good", "bad"}
    assert len(found) == 6
    assert "without a usable answer" not in capsys.readouterr().err
    with scripted(lambda *_: Reply("good")) as server:
        assert run([str(w) for w in (*words, "--llm", server.llm, "--label-by", "likelihoods")]) == 2
    assert "a server answers in its own way" in capsys.readouterr().err
