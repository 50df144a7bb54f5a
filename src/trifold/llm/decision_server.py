"""A decision model behind a server: it reads a text and a question, and gives every possible answer a probability.

Two forms are spoken, of which each server knows one: `POST /systemone` (TypeSafe's, also of Ollama, llama.cpp, SGLang)
and `POST /decisions` (OpenAI's). No text is written in either.

Source: docs.litellm.ai/docs/decisions; docs.ollama.com/api/systemone; docs.fireworks.ai/api-reference/post-decisions.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from trifold.errors import LlmError
from trifold.llm.contract import Answer, AskedModel, Choice, OnText, Sampling
from trifold.llm.openai_responses import read_usage
from trifold.llm.prompt_template import Conversation
from trifold.llm.scored_answer import as_scored
from trifold.llm.server_connection import ServerConnection
from trifold.llm.settings import SYSTEM_ONE_PREFIX, LlmSettings

MAX_CHOICES = 255
# The name of the only question of a call.
_QUESTION = "label"
_CHARACTERS_PER_TOKEN = 4.0
# Servers round each probability, some to two decimals.
_ROUNDING = 0.005


class DecisionServer(AskedModel):
    """A decision server and the name of one of its models.

    A conversation is put to it as the text to decide on, which is the last message, and a question, which is the
    system message; the possible answers are the sampling's choices.

    Args:
        prefix: `systemone:` or `decisions:`, the form that the server speaks.
        address: `BASE_URL#MODEL`.
        settings: Time limit of a call, and the environment variable that holds the key.

    Raises:
        LlmError: If the address or the key cannot be one, the openai package is missing, or a setting of writing is
            given.
    """

    parallel: ClassVar[bool] = True

    def __init__(self, prefix: str, address: str, settings: LlmSettings) -> None:
        for flag, given in (("--max-tokens", settings.max_tokens), ("--temperature", settings.temperature)):
            if given:
                raise LlmError(f"{flag} is about writing, and a decision server writes nothing: leave it out")
        self._prefix = prefix
        self._connection = ServerConnection(prefix, address, settings)
        self.name = self.identity = self._connection.name

    def count_tokens(self, conversation: Conversation) -> int:
        """See `AskedModel.count_tokens`. A guess from the characters; what the choices add is not known here."""
        return math.ceil(sum(len(message.content) for message in conversation) / _CHARACTERS_PER_TOKEN)

    def room(self, conversation: Conversation, asked: int | None) -> int:
        """See `AskedModel.room`. Nothing is written."""
        del conversation, asked
        return 0

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `AskedModel.complete`. The answer has the form of `scored_answer.as_scored`."""
        del on_text
        begun = time.perf_counter()
        self._connection.begin(len(sampling.choices))
        question, state = conversation[0].content, conversation[-1].content
        systemone = self._prefix == SYSTEM_ONE_PREFIX
        ask, read = (_ask_systemone, _read_systemone) if systemone else (_ask_decisions, _read_decisions)
        body = {"model": self._connection.model, **ask(state, question, sampling.choices)}
        values = [choice.value for choice in sampling.choices]
        found, usage = self._connection.post(
            "/systemone" if systemone else "/decisions", body, lambda response: (read(response, values), response)
        )
        counted = read_usage(usage)
        return Answer(
            as_scored(values[int(found.argmax())], values, found),
            counted.get("prompt_tokens") or self.count_tokens(conversation),
            counted.get("completion_tokens", 0),
            time.perf_counter() - begun,
        )


def _ask_systemone(state: str, question: str, choices: Sequence[Choice]) -> dict[str, Any]:
    criteria = {choice.value: choice.description or choice.value for choice in choices}
    asked = {"type": "choice", "instructions": question, "criteria": criteria}
    return {"state": state, "questions": {_QUESTION: asked}}


def _read_systemone(response: Any, values: Sequence[str]) -> np.ndarray:
    found = response["answers"].get(_QUESTION)
    if found is None:
        raise LlmError("the server gave no answer to the question: it may be too long for its model")
    return _distribution(found["probabilities"], values)


def _ask_decisions(state: str, question: str, choices: Sequence[Choice]) -> dict[str, Any]:
    listed = [{"value": one.value, "description": one.description or one.value} for one in choices]
    asked = {"type": "choice", "name": _QUESTION, "instructions": question, "choices": listed}
    return {"input": state, "questions": [asked]}


def _read_decisions(response: Any, values: Sequence[str]) -> np.ndarray:
    (found,) = response["answers"]
    if found["type"] == "refusal":
        raise LlmError("the server's model refuses to decide on this text")
    return _distribution({one["value"]: one["probability"] for one in found["probabilities"]}, values)


def _distribution(found: Mapping[str, Any], values: Sequence[str]) -> np.ndarray:
    """The probabilities in the order of the choices.

    Raises:
        ValueError, TypeError: If they are no distribution over the choices.
    """
    if set(found) != set(values):
        raise ValueError("its probabilities are not of the choices that were asked about")
    numbers = [found[value] for value in values]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        raise TypeError("a probability is no number")
    result = np.array(numbers, dtype=np.float64)
    if (result < 0).any() or abs(result.sum() - 1) > _ROUNDING * (2 + len(values)):
        raise ValueError("its probabilities do not add up to 1")
    return np.asarray(result / result.sum())
