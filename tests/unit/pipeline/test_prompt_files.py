"""Prompt files: filled in, written by a model, compared and saved."""

from pathlib import Path

import pytest

from language_models import WISH, WRITTEN
from scripted_server import Reply, scripted
from trifold.errors import DataError, LlmError, PromptError
from trifold.llm.prompt_file import parse_prompt
from trifold.llm.settings import LlmSettings, VariableSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.prompt_files import Session, diff_prompts, fill_in, save_prompt, write_prompt

PROMPT = 'task = "Say {word}."\nvariables = { word = "" }\n'


def session(folder: Path, llm: str) -> Session:
    return Session(LlmSettings(llm=llm, log=folder / "log"), ComputeSettings())


def test_variables_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "say.toml").write_text(PROMPT)
    (message,) = fill_in(tmp_path / "say.toml", VariableSettings(var=("word=hello",)))
    assert "Say hello." in message.content
    with pytest.raises(PromptError, match="word"):
        fill_in(tmp_path / "say.toml", None)


def test_a_model_that_writes_what_cannot_be_read_is_told_so_and_tries_again(tmp_path: Path) -> None:
    with scripted(lambda number, _: Reply("no file at all" if number == 1 else WRITTEN)) as server:
        written = write_prompt(session(tmp_path, server.llm), WISH)
    assert written.instructions == ("Praise is good.", "Blame is bad.")
    assert len(server.requests) == 2
    assert "That file cannot be used" in server.asked()[-1]


def test_after_three_attempts_it_is_given_up(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("no file at all")) as server:
        with pytest.raises(LlmError, match="no prompt file that can be used in 3 attempts"):
            write_prompt(session(tmp_path, server.llm), WISH)
        assert len(server.requests) == 3


def test_only_what_the_prompts_say_is_compared() -> None:
    first, spaced = parse_prompt(PROMPT), parse_prompt("# a comment\n\n" + PROMPT)
    assert diff_prompts(first, spaced, ("a", "b")) == ""
    changed = diff_prompts(first, parse_prompt(PROMPT.replace("Say", "Shout")), ("a", "b"))
    assert '-task = "Say {word}."' in changed
    assert '+task = "Shout {word}."' in changed


def test_a_prompt_is_never_written_over_another(tmp_path: Path) -> None:
    prompt = parse_prompt(PROMPT)
    save_prompt(prompt, tmp_path / "say.toml")
    assert parse_prompt((tmp_path / "say.toml").read_text()) == prompt
    before = (tmp_path / "say.toml").read_text()
    with pytest.raises(
        DataError, match=r"cannot be written \(File exists; it is kept in .*say-2\.toml\): name another --out"
    ):
        save_prompt(prompt, tmp_path / "say.toml")
    assert (tmp_path / "say.toml").read_text() == before


def test_of_a_base_model_it_is_told_once_that_it_was_never_taught_to_answer(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=tokenizer.get_vocab_size(), **sizes)).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="[SEP]").save_pretrained(tmp_path)
    session = Session(LlmSettings(llm=f"hf:{tmp_path}", max_tokens=2), ComputeSettings())
    conversation = parse_prompt('task = "Say hello."').render({})
    session.ask(conversation)
    session.ask(conversation)
    assert capsys.readouterr().err.count("it is a base model, which was never taught to chat") == 1
