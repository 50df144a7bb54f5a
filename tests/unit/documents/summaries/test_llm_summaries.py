"""Summaries in a language model's words: pieces, combination and sources."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from trifold.documents.summaries.llm_summaries import cite, write_summaries
from trifold.documents.summaries.settings import SummarySettings
from trifold.errors import LlmError
from trifold.llm.contract import NoRoomError
from trifold.llm.prompt_template import Conversation
from trifold.models.answer_length import NoRoom

SETTINGS = SummarySettings(sentences=2)


def words_of(conversation: Conversation) -> int:
    return sum(len(message.content.split()) for message in conversation)


def text_in(conversation: Conversation) -> str:
    return conversation[-1].content.split("Text:\n")[1].split("\n\nSummary:")[0]


def write_summary(
    text: str, ask: Callable[[Conversation], str], count: Callable[[Conversation], int], settings: SummarySettings
) -> str:
    """The summary of one text, by a model that is asked one conversation at a time."""

    def ask_all(conversations: Sequence[Conversation]) -> list[str | LlmError]:
        found: list[str | LlmError] = []
        for conversation in conversations:
            try:
                found.append(ask(conversation))
            except LlmError as error:
                found.append(error)
        return found

    (summary,) = write_summaries([text], ask_all, count, settings)
    if isinstance(summary, LlmError):
        raise summary
    return summary


def test_many_texts_are_asked_about_together_and_one_that_fails_costs_no_other() -> None:
    rounds: list[int] = []

    def ask_all(conversations: Sequence[Conversation]) -> list[str | LlmError]:
        rounds.append(len(conversations))
        return [LlmError("refused") if "goat" in text_in(one) else f"Of {len(text_in(one))}." for one in conversations]

    long = " ".join(f"Ship number {n} has left the harbour for the north." for n in range(900))
    found = write_summaries(["The harbour.", long, "The goat."], ask_all, words_of, SETTINGS)
    assert found[0] == "Of 12."
    assert str(found[2]) == "refused"
    assert rounds[0] > 3, "the pieces of the long text are asked about at the same time"
    assert rounds[1:] == [1]


def test_a_text_that_fits_is_one_request_that_says_how_long_and_nothing_else_is_asked() -> None:
    asked: list[Conversation] = []

    def ask(conversation: Conversation) -> str:
        asked.append(conversation)
        return " A storm closed the harbour. \n"

    assert write_summary("The harbour is closed.", ask, words_of, SETTINGS) == "A storm closed the harbour."
    assert "2 sentences" in "".join(message.content for message in asked[0])
    assert [text_in(one) for one in asked] == ["The harbour is closed."]


def test_every_sentence_of_a_long_text_is_in_a_piece_and_the_pieces_are_combined() -> None:
    sentences = [f"Ship number {n} has left the harbour for the north." for n in range(900)]
    pieces: list[str] = []

    def ask(conversation: Conversation) -> str:
        pieces.append(text_in(conversation))
        return f"Part {len(pieces)}."

    found = write_summary(" ".join(sentences), ask, words_of, SETTINGS)
    *parts, combined = pieces
    assert " ".join(" ".join(parts).split()) == " ".join(sentences)
    assert combined.split("\n") == [f"Part {n + 1}." for n in range(len(parts))]
    assert found == f"Part {len(pieces)}."


def test_pieces_shrink_until_the_model_has_room_and_a_model_without_room_is_told_of() -> None:
    def ask(conversation: Conversation, most: int = 400) -> str:
        if words_of(conversation) > most:
            raise NoRoomError(NoRoom(f"the prompt has {words_of(conversation)} tokens", "shorten it", 0))
        return "Short."

    text = "The harbour is closed again today. " * 300
    assert write_summary(text, ask, words_of, SETTINGS) == "Short."
    with pytest.raises(LlmError, match="use a model that reads more"):
        write_summary(text, lambda conversation: ask(conversation, 10), words_of, SETTINGS)


def test_a_piece_without_room_is_halved_and_no_other_is_asked_again() -> None:
    asked: list[str] = []

    def ask(conversation: Conversation) -> str:
        text = text_in(conversation)
        if "goat" in text and words_of(conversation) > 2_000:
            raise NoRoomError(NoRoom("the prompt is too long", "shorten it", 0))
        asked.append(text)
        return f"Part {len(asked)}."

    sentences = [f"Ship number {n} has left the harbour for the north." for n in range(900)]
    sentences[-1] = "The goat has left the harbour."
    write_summary(" ".join(sentences), ask, words_of, SETTINGS)
    *parts, combined = asked
    assert " ".join(" ".join(parts).split()) == " ".join(sentences)
    assert combined.split("\n") == [f"Part {n + 1}." for n in range(len(parts))]


def test_a_model_that_says_nothing_or_never_shortens_ends_in_a_sentence() -> None:
    with pytest.raises(LlmError, match="the model wrote no summary"):
        write_summary("The harbour is closed.", lambda _: " ", words_of, SETTINGS)
    with pytest.raises(LlmError, match="no shorter than its texts"):
        write_summary("The harbour is closed again today. " * 900, text_in, words_of, SETTINGS)


def test_a_claim_names_the_sentence_it_is_most_like_and_one_that_is_made_up_is_marked() -> None:
    def encode(sentences: Sequence[str]) -> np.ndarray:
        found = np.array([["harbour" in one, "goat" in one, "moon" in one] for one in sentences], dtype=np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    text = "The goat slept. The harbour was closed."
    said, made_up = cite("No ship may enter the harbour. The moon is cheese.", text, encode, "en")
    assert (said.source.text, said.number, said.supported) == ("The harbour was closed.", 1, True)
    assert not made_up.supported
