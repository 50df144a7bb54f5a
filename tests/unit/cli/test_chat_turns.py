"""A turn that the model has no room for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from trifold.cli.chat import Talk
from trifold.llm.contract import Answer, NoRoomError
from trifold.llm.prompt_template import Message
from trifold.models.answer_length import reason_against


def test_a_turn_that_is_refused_stays_out_of_the_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(messages: tuple[Message, ...], _: object) -> Answer:
        if reason := reason_against("it", sum(len(one.content) for one in messages), None, 32, "--max-tokens"):
            raise NoRoomError(reason)
        return Answer("yes", 1, 1, 0.0)

    talk = Talk(cast("Any", SimpleNamespace(ask=ask)), (Message("user", "so?"),), json=True)
    talk.answer()
    for line in (40 * "a", 50 * "b", "well"):
        assert talk.take(line)
    assert [one.content for one in talk.messages] == ["so?", "yes", "well", "yes"]
    said = capsys.readouterr().err
    assert "the prompt has 46 tokens and it reads 32: say less, or begin anew by /reset" in said
    assert "the prompt has 56 tokens" in said
