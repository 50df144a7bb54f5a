"""The contract of language models: those that write text, and those that score given words."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from trifold.errors import LlmError
from trifold.llm.prompt_template import Conversation, conversation_to_json
from trifold.models.answer_length import NoRoom

OnText = Callable[[str], None]
# Tokens of an answer where the user names no number.
USUAL_ANSWER = 256


@dataclass(frozen=True)
class Choice:
    """One of the possible answers to a question.

    Attributes:
        value: The answer.
        description: What it means, where the answer does not say it; may be empty.
    """

    value: str
    description: str = ""


@dataclass(frozen=True)
class Sampling:
    """How an answer is written.

    Attributes:
        max_tokens: The most tokens of the answer; `None` for what `AskedModel.room` gives.
        temperature: 0 always takes the most probable token.
        vote: Number of the answer, where several answers to one prompt vote; 0 for a single answer.
        choices: What the answer is to be one of. A model that knows their probabilities answers as
            `scored_answer.as_scored` does, and any other in words.
        several: Whether any number of the choices may hold, each with a probability of its own.
        stop: The answer ends before the first of these texts.
        json_schema: The JSON Schema that the answer obeys, as JSON, where the model can be held to one: `{}` for any
            JSON, `None` for any text.
    """

    max_tokens: int | None = None
    temperature: float = 0.0
    vote: int = 0
    choices: tuple[Choice, ...] = ()
    several: bool = False
    stop: tuple[str, ...] = ()
    json_schema: str | None = None

    def described(self) -> str:
        """As JSON, for the log. What is not set is left out, so that a call has one name from version to version."""
        found = asdict(self)
        for name in ("choices", "several", "stop", "json_schema"):
            if not found[name]:
                del found[name]
        return json.dumps(found, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Answer:
    """A model's answer.

    Attributes:
        text: The answer.
        prompt_tokens: Tokens of the prompt.
        answer_tokens: Tokens of the answer.
        seconds: Duration of the call, when it was made.
        from_log: Whether the answer came from the log.
    """

    text: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    from_log: bool = False


class TransientError(Exception):
    """A call failed in a way that may pass: too many requests, an error inside the server, a broken connection.

    Args:
        reason: The reason, for a message.
        wait_seconds: The wait that the server asks for; `None` if it asks for none.
        unreachable: Whether no server could be reached.
        throttled: Whether the server has too much to do.
    """

    def __init__(
        self, reason: str, wait_seconds: float | None = None, *, unreachable: bool = False, throttled: bool = False
    ) -> None:
        super().__init__(reason)
        self.unreachable = unreachable
        self.throttled = throttled
        self.reason = reason
        self.wait_seconds = wait_seconds


class FatalLlmError(LlmError):
    """Every other call to this model would fail as well: a wrong key, an unknown model, no such server."""


class NoRoomError(LlmError):
    """A prompt and its answer are more than the model reads.

    Args:
        reason: How much more, and what to do.
    """

    def __init__(self, reason: NoRoom) -> None:
        super().__init__(str(reason))
        self.reason = reason

    def but(self, way_out: str) -> "NoRoomError":
        """The same with another way out where the prompt alone is too long, for one that the user did not write."""
        return self if self.reason.left > 0 else NoRoomError(replace(self.reason, way_out=way_out))


class UnnamedServerError(LlmError):
    """A run needs a server, and the user has not named one."""


class AskedModel(ABC):
    """A model that `Client` asks: calls cost time or money, are logged, and may be made again.

    Attributes:
        name: The name given with `--llm`.
        identity: What its answers depend on: the server and its model, or the weights' hash.
        parallel: Whether several calls may be made at the same time.
        batches: Whether `complete_many` is quicker than one call after the other.
    """

    name: str
    identity: str
    parallel: ClassVar[bool] = False
    batches: ClassVar[bool] = False

    @abstractmethod
    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """Answer a conversation.

        Args:
            conversation: The messages so far; the last one is the user's.
            sampling: How the answer is written.
            on_text: Called with each piece of the answer as it comes; makes a model that writes stream.

        Raises:
            LlmError: If it cannot answer this conversation.
            FatalLlmError: If it cannot answer any conversation.
            TransientError: If the next attempt may succeed.
        """

    def complete_many(
        self, asked: Sequence[tuple[Conversation, Sampling]]
    ) -> Iterator[tuple[int, "Answer | LlmError"]]:
        """Answer many conversations, each as `complete` would.

        Args:
            asked: The conversations, and how each answer is written.

        Yields:
            The number of a conversation and its answer, or why there is none, as soon as it is known.

        Raises:
            FatalLlmError: If it cannot answer any conversation.
            TransientError: As `complete`.
        """
        for number, (conversation, sampling) in enumerate(asked):
            try:
                yield number, self.complete(conversation, sampling)
            except FatalLlmError:
                raise
            except LlmError as error:
                yield number, error

    @abstractmethod
    def count_tokens(self, conversation: Conversation) -> int:
        """Tokens of a conversation; a guess if the tokenizer is not known."""

    def room(self, conversation: Conversation, asked: int | None) -> int:
        """The most tokens of an answer: what the user asked for, or as many as are usual and fit.

        Raises:
            LlmError: If prompt and answer do not fit the model.
        """
        del conversation  # not known to be too long
        return asked or USUAL_ANSWER

    @property
    def counts_exactly(self) -> bool:
        """Whether `count_tokens` counts, rather than guesses."""
        return False


class TextGenerator(AskedModel):
    """A model that writes text."""

    @abstractmethod
    def shown(self, conversation: Conversation) -> str:
        """The text that is sent, exactly."""


@dataclass(frozen=True)
class Gap:
    """A gap in a text, and the words that may fill it.

    Attributes:
        conversation: What a causal model reads before the gap.
        around: What a masked model reads before and after the gap.
        words: The words for the labels.
        text: The text that is labelled, as a reranker reads it.
        hypothesis: How a reranker is told of a label, with `{label}` for its words; `None` for the model's own way.
    """

    conversation: Conversation
    around: tuple[str, str]
    words: tuple[str, ...]
    text: str = ""
    hypothesis: str | None = None


class Scorer(ABC):
    """A model that scores the likelihood of given words.

    Attributes:
        name: The name given with `--llm`.
        identity: What its scores depend on.
        window: The most tokens that it reads; `None` if that is unknown.
    """

    name: str
    identity: str
    window: int | None = None

    @abstractmethod
    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """Log-likelihoods of the words in each gap, `(gaps, words)` float64.

        Args:
            gaps: All with the same number of words.

        Raises:
            LlmError: If one is longer than the model's context; the message has the number of tokens.
        """

    def reads(self, gap: Gap) -> str:
        """What the model reads of a gap, apart from its words, as the log keeps it."""
        return conversation_to_json(gap.conversation)

    @abstractmethod
    def count(self, gap: Gap) -> int:
        """Tokens of a gap's text, without its words."""

    def separate_scores(self, gaps: Sequence[Gap]) -> np.ndarray:  # noqa: ARG002 - not every model can
        """Log-odds of each word by itself, where a text may have several labels, `(gaps, words)` float64.

        Raises:
            LlmError: As `log_likelihoods`, or if it cannot judge a label by itself.
        """
        raise LlmError(
            f"{self.name} fills a gap with one label, and rows have several: name a model that writes, or a reranker"
        )

    def word_lengths(self, gap: Gap) -> list[int]:
        """Tokens of each word in a gap; 1 each, where a word is scored whole."""
        return [1] * len(gap.words)

    def longest(self, gap: Gap) -> int:
        """Tokens of a gap with the longest of its words."""
        return self.count(gap) + max(self.word_lengths(gap))

    @abstractmethod
    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """The text cut to `max_tokens` as `long_text` says, and whether anything was cut off."""
