"""A language model behind any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, `transformers serve`."""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from trifold.events import say
from trifold.json_reading import parse_json
from trifold.llm.answer_parser import find_word
from trifold.llm.contract import Answer, OnText, Sampling, TextGenerator, TransientError
from trifold.llm.openai_responses import all_thought, read_answer, read_events, read_places, read_usage
from trifold.llm.prompt_template import Conversation
from trifold.llm.scored_answer import as_scored
from trifold.llm.server_connection import RefusedError, ServerConnection
from trifold.llm.settings import SERVER_PREFIX, LlmSettings
from trifold.llm.thoughts import AnswerPieces, without_thoughts
from trifold.llm.token_probabilities import TokenPlace, label_probabilities
from trifold.terminal import PrintablePieces, printable

# English text has about this many characters per token; used until a server has counted.
_CHARACTERS_PER_TOKEN = 4.0
# Tokens of each place whose probabilities are asked for: the most that OpenAI gives, and what smaller servers give.
_TOP_TOKENS = (20, 5)
# What a refusal of JSON mode is told by.
_WORDS_OF_JSON = ("response_format", "json", "schema", "grammar")


class OpenAIServer(TextGenerator):
    """A server and the name of one of its models.

    Args:
        address: `BASE_URL#MODEL`.
        settings: Time limit of a call, and the environment variable that holds the key.

    Raises:
        LlmError: If the address or the key cannot be one, or the openai package is missing.
    """

    parallel: ClassVar[bool] = True

    def __init__(self, address: str, settings: LlmSettings) -> None:
        self._connection = ServerConnection(SERVER_PREFIX, address, settings)
        self.name = self.identity = self._connection.name
        self._limit_name = "max_tokens"
        # What is still asked for, the best first, until the server has refused it: how many tokens' probabilities, and
        # how it is held to JSON.
        self._top_tokens: tuple[int, ...] = _TOP_TOKENS
        self._json_modes: tuple[str, ...] = ("json_schema", "json_object")
        self._finding_out = threading.Lock()

    def shown(self, conversation: Conversation) -> str:
        """See `TextGenerator.shown`."""
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in conversation)

    def count_tokens(self, conversation: Conversation) -> int:
        """See `AskedModel.count_tokens`. A guess from the characters, plus a few tokens for each message's role."""
        characters = sum(len(message.content) for message in conversation)
        return math.ceil(characters / _CHARACTERS_PER_TOKEN) + 4 * len(conversation)

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `AskedModel.complete`. Before the first call, the user is told which server gets the texts."""
        begun = time.perf_counter()
        while True:
            limit = self.room(conversation, sampling.max_tokens)
            asked = self._request(conversation, sampling, limit)
            self._connection.begin(limit * (1 + asked.get("top_logprobs", 0)))
            try:
                text, usage, places = self._connection.guarded(partial(self._call, asked, on_text))
                break
            except RefusedError as error:
                if not self._gives_in(asked, error):
                    raise
        text = self._connection.secret.removed(text)
        return Answer(
            self._scored(text, places, sampling) if "top_logprobs" in asked else text,
            usage.get("prompt_tokens") or self.count_tokens(conversation),
            usage.get("completion_tokens") or math.ceil(len(text) / _CHARACTERS_PER_TOKEN),
            time.perf_counter() - begun,
        )

    def _request(self, conversation: Conversation, sampling: Sampling, limit: int) -> dict[str, Any]:
        """The body of a call. What all calls of a task share comes first in it, since servers cache by beginnings."""
        asked: dict[str, Any] = {
            "model": self._connection.model,
            "messages": [vars(message) for message in conversation],
            "temperature": sampling.temperature,
            self._limit_name: limit,
        }
        if sampling.stop:
            asked["stop"] = list(sampling.stop)
        if sampling.choices and self._top_tokens:
            asked |= {"logprobs": True, "top_logprobs": self._top_tokens[0]}
        if sampling.json_schema is not None:
            # A schema that allows all JSON is what an object is asked for.
            modes = self._json_modes if sampling.json_schema != "{}" else self._json_modes[-1:]
            asked |= {"response_format": _json_mode(modes[0], sampling.json_schema)} if modes else {}
        return asked

    def _gives_in(self, asked: Mapping[str, Any], error: RefusedError) -> bool:
        """Whether a refused call is to be made again without what the server may not know."""
        if error.status == 400 and "max_completion_tokens" in error.reason and "max_tokens" in asked:
            # OpenAI's newer models accept only the new name of the limit, most other servers only the old one.
            self._limit_name = "max_completion_tokens"
            return True
        if "top_logprobs" in asked and "logprob" in error.reason:
            with self._finding_out:
                smaller = tuple(number for number in self._top_tokens if number < asked["top_logprobs"])
                if self._top_tokens and not smaller:
                    self._tell_of_votes()
                self._top_tokens = smaller
            return True
        if "response_format" in asked and any(word in error.reason for word in _WORDS_OF_JSON):
            self._drop_json_mode(str(asked["response_format"]["type"]))
            return True
        return False

    def _drop_json_mode(self, refused: str) -> None:
        """Ask no more for what the server refuses; the prompt still asks for JSON in words."""
        with self._finding_out:
            if refused not in self._json_modes:
                return
            self._json_modes = self._json_modes[self._json_modes.index(refused) + 1 :]
            model = printable(self._connection.model)
            if self._json_modes:
                say(f"{model} cannot be held to a JSON schema: it is asked for any JSON")
            else:
                say(f"{model} cannot be held to JSON: only the prompt asks for it")

    def _scored(self, text: str, places: list[TokenPlace], sampling: Sampling) -> str:
        """The answer with the probabilities of the choices, as far as the server tells them; else in words."""
        if not places and not text.strip():
            # An empty answer has no places, whatever the server tells of others.
            return text
        if not places:
            with self._finding_out:
                if self._top_tokens:
                    self._tell_of_votes()
                self._top_tokens = ()
            return text
        values = [choice.value for choice in sampling.choices]
        found = label_probabilities(places, values, anywhere=find_word(text, values) is not None)
        return text if found is None else as_scored(text, values, found)

    def _tell_of_votes(self) -> None:
        model = printable(self._connection.model)
        say(f"{model} tells no log-probabilities: an answer is one vote, and --votes 5 asks for more")

    def _call(
        self, asked: Mapping[str, Any], on_text: OnText | None
    ) -> tuple[str, Mapping[str, int], list[TokenPlace]]:
        """Text, token counts and log-probabilities of an answer.

        Raises:
            Exception: Whatever the client raises.
        """
        create = self._connection.client.chat.completions.with_streaming_response.create
        if on_text:
            with create(**asked, stream=True) as response:
                return (*self._streamed(response.iter_bytes(), on_text), [])
        with create(**asked) as response:
            found = parse_json(response.read())
            return (*read_answer(found), read_places(found) if "top_logprobs" in asked else [])

    def _streamed(self, pieces: Iterable[bytes], on_text: OnText) -> tuple[str, Mapping[str, int]]:
        text: list[str] = []
        usage: Mapping[str, int] = {}
        finished = False
        removing = self._connection.secret.removing(on_text)
        printing = PrintablePieces(removing)
        show = AnswerPieces(printing)
        try:
            for chunk in map(parse_json, read_events(pieces)):
                usage = read_usage(chunk) or usage
                for choice in chunk.get("choices") or ():
                    piece = (choice.get("delta") or {}).get("content")
                    if piece:
                        text.append(piece)
                        show(piece)
                    finished = finished or bool(choice.get("finish_reason"))
        except TransientError:
            # After a complete answer only the token counts are missing.
            if not finished:
                raise
        if not finished:
            raise TransientError("the connection was cut in the middle of the answer")
        for stage in (show, printing, removing):
            stage.end()
        answer = without_thoughts("".join(text))
        if answer is None:
            raise all_thought()
        return answer, usage


def _json_mode(mode: str, schema: str) -> dict[str, Any]:
    """The `response_format` that holds a server to JSON."""
    if mode == "json_object":
        return {"type": mode}
    return {"type": mode, "json_schema": {"name": "answer", "schema": parse_json(schema)}}
