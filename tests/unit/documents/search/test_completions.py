from collections.abc import Callable
from pathlib import Path

import pytest

from trifold.documents.search.completions import Completion, complete, earlier_queries
from trifold.documents.search.keywords import build_keywords
from trifold.documents.search.phrases import Phrases
from trifold.llm.call_log import CallLog
from trifold.llm.client import Client
from trifold.llm.contract import Answer, OnText, Sampling, TextGenerator
from trifold.llm.prompt_template import Conversation
from trifold.llm.spending_limit import SpendingLimit


class Writer(TextGenerator):
    """A language model that always writes the same, and keeps what it was asked."""

    name, identity = "hf:writer", "writer"

    def __init__(self, answer: str) -> None:
        self.answer, self.asked = answer, ""

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        del sampling, on_text
        self.asked = self.shown(conversation)
        return Answer(self.answer, 1, 1, 0.0)

    def count_tokens(self, conversation: Conversation) -> int:
        del conversation
        return 1

    def shown(self, conversation: Conversation) -> str:
        return conversation[-1].content


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    build_keywords(["how to reset the router", "how to reset the router", "how to cook rice"], tmp_path)
    return Phrases(tmp_path)


@pytest.fixture
def client(tmp_path: Path) -> Callable[[Writer], Client]:
    return lambda writer: Client(writer, CallLog(tmp_path / "log.sqlite"), SpendingLimit())


def test_queries_come_first_each_once_in_its_usual_spelling(phrases: Phrases) -> None:
    asked = ["How to Reset the router", "how to reset the router", "how to reset the  router", "how to", "what else"]
    assert complete(phrases, "how to", 10, asked) == [
        Completion("how to reset the router", 3, "query"),
        Completion("how to cook rice", 1, "documents"),
    ]


def test_earlier_queries_go_on_from_a_space_with_another_word() -> None:
    assert earlier_queries("how to ", ["how tools work", "how to swim"]) == [("how to swim", 1)]
    assert earlier_queries("how to", ["how tools work"]) == [("how tools work", 1)]


def test_a_language_model_sees_the_phrases_and_only_lines_that_begin_as_typed_are_taken(
    phrases: Phrases, client: Callable[[Writer], Client]
) -> None:
    writer = Writer('Sure!\n1. how to swim\n- "How to sing"\nhow to swim\nhow to\nsomething else')
    found = complete(phrases, "how to", 10, model=client(writer))
    assert [one.text for one in found if one.source == "model"] == ["how to swim", "How to sing"]
    assert "how to reset the router" in writer.asked
    assert [one.source for one in found] == ["model", "model", "documents", "documents"]


def test_a_language_model_that_writes_nothing_of_use_is_told(
    phrases: Phrases, client: Callable[[Writer], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(complete(phrases, "how to", 10, model=client(Writer("no idea")))) == 2
    assert "hf:writer wrote no line that begins with what was typed" in capsys.readouterr().err
