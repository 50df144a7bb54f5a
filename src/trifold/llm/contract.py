"""What every language model promises, wherever it runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trifold.errors import LlmError
from trifold.llm.prompt_template import Conversation

OnText = Callable[[str], None]


@dataclass(frozen=True)
class Sampling:
    """How an answer is written.

    Attributes:
        max_tokens: Its length.
        temperature: 0 takes the likeliest word each time.
        vote: Which of several answers to the same prompt this is.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    vote: int = 0


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: The answer.
        prompt_tokens: Tokens it read.
        answer_tokens: Tokens it wrote.
        seconds: How long that took when it was done.
        from_log: Whether it was said before.
    """

    text: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    from_log: bool = False


class TransientError(Exception):
    """A call failed in a way that may pass: too many requests, a server's hiccup, a cut connection.

    Args:
        reason: In plain words.
        wait_seconds: What the server asks to wait; `None` where it says nothing.
        unreachable: Whether there was no server to talk to.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable
        self.reason = reason
        self.wait_seconds = wait_seconds


class FatalLlmError(LlmError):
    """No other call to this model can do better: a wrong key, an unknown model, no such server."""


class UnnamedServerError(LlmError):
    """A run asks a server, and its user has not named one."""


class TextGenerator(ABC):
    """A model that answers.

    Attributes:
        name: As `--llm` gave it.
        identity: What its answers depend on: the server and its model, or the weights' hash.
        parallel: Whether several calls may be under way at the same time.
    """

    name: str
    identity: str
    parallel: ClassVar[bool] = False

    @abstractmethod
    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """Answer a conversation.

        Args:
            conversation: What was said so far; the last turn is the user's.
            sampling: How the answer is written.
            on_text: Told each piece of the answer as it comes; makes the model stream.

        Raises:
            LlmError: If it cannot answer this, and never will.
            FatalLlmError: If it will not answer anything.
            TransientError: If it might the next time.
        """

    @abstractmethod
    def count_tokens(self, conversation: Conversation) -> int:
        """Tokens that the model reads; a guess where its tokenizer is not known."""

    @abstractmethod
    def shown(self, conversation: Conversation) -> str:
        """Exactly what is sent."""

    @property
    def counts_exactly(self) -> bool:
        """Whether `count_tokens` is no guess."""
        return False


@dataclass(frozen=True)
class Gap:
    """A text with its place in what is sent, and the words that could follow or fill it.

    Attributes:
        conversation: What a causal model reads before the word.
        around: What a masked model reads before and after the gap.
        words: What the labels are called.
    """

    conversation: Conversation
    around: tuple[str, str]
    words: tuple[str, ...]


class Scorer(ABC):
    """A model that says how likely each of a few words is: always one of them, with probabilities.

    Attributes:
        name: As `--llm` gave it.
        identity: What its figures depend on.
    """

    name: str
    identity: str

    @abstractmethod
    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """The words' log-likelihoods, `(gaps, words)` float64; every gap has as many words.

        Raises:
            LlmError: If one is longer than the model reads; the message has the count.
        """

    @abstractmethod
    def count(self, gap: Gap) -> int:
        """Tokens that are read of a gap, without its words."""

    @abstractmethod
    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """The text without what is beyond `max_tokens`, and whether that was anything."""
