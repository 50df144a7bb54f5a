"""A decision model behind a server: it reads a text and a question, and gives every possible answer a probability.

Two forms are spoken, of which each server knows one: `POST /systemone` (TypeSafe's, also of Ollama, llama.cpp, SGLang)
and `POST /decisions` (OpenAI's). No text is written in either.
"""

import math
import time
from typing import ClassVar

import numpy as np

from trifold.errors import LlmError
from trifold.llm.contract import Answer, AskedModel, OnText, Sampling
from trifold.llm.decision_forms import Decisions, SystemOne
from trifold.llm.openai_responses import read_usage
from trifold.llm.prompt_template import Conversation
from trifold.llm.scored_answer import as_scored
from trifold.llm.server_connection import ServerConnection
from trifold.llm.settings import SYSTEM_ONE_PREFIX, LlmSettings

MAX_CHOICES = 255
_CHARACTERS_PER_TOKEN = 4.0


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
        for name in ("max_tokens", "temperature", "stop"):
            if getattr(settings, name):
                flag = f"--{name.replace('_', '-')}"
                raise LlmError(f"{flag} is about writing, and a decision server writes nothing: leave it out")
        self._form = SystemOne() if prefix == SYSTEM_ONE_PREFIX else Decisions()
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
        form, several = self._form, sampling.several
        body = {
            "model": self._connection.model,
            **form.ask(state, question, sampling.choices, several=several),
        }
        found, usage = self._connection.post(
            form.path, body, lambda response: (form.read(response, sampling.choices, several=several), response)
        )
        values = [choice.value for choice in sampling.choices]
        chosen = [values[number] for number in (np.flatnonzero(found >= 0.5) if several else [found.argmax()])]
        counted = read_usage(usage)
        return Answer(
            as_scored(", ".join(chosen), values, found),
            counted.get("prompt_tokens") or self.count_tokens(conversation),
            counted.get("completion_tokens", 0),
            time.perf_counter() - begun,
        )
