"""Label texts with a language model: the task, what comes of it, and what every labeller promises."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trifold.llm.cost_estimate import Estimate
from trifold.llm.prompt_template import Conversation, Example, Prompt
from trifold.llm.spending_limit import Spent

Shots = Callable[[Sequence[str]], Sequence[tuple[Example, ...]]]


def _no_shots(texts: Sequence[str]) -> Sequence[tuple[Example, ...]]:
    return [()] * len(texts)


@dataclass(frozen=True)
class LabellingTask:
    """What texts are labelled with, and how a model is told so.

    Attributes:
        prompt: Says it in words.
        words: What the labels are called, in class order.
        cloze: Says it as a sentence with a gap.
        shots: Chooses labelled examples for each of some texts.
        max_length: Tokens of a text that are read; `None` for all.
        long_text: What is read of a longer one.
    """

    prompt: Prompt
    words: tuple[str, ...]
    cloze: str
    shots: Shots = _no_shots
    max_length: int | None = None
    long_text: str = "truncate"

    def conversations(self, texts: Sequence[str]) -> list[Conversation]:
        """What is sent for each text."""
        variable = self.prompt.text_variable()
        return [
            replace(self.prompt, examples=(*self.prompt.examples, *shots)).render({variable: text})
            for text, shots in zip(texts, self.shots(texts), strict=True)
        ]

    def around(self, text: str) -> tuple[str, str]:
        """The sentence before and after its gap."""
        before, after = self.cloze.split("{mask}")
        return before.replace("{text}", text), after.replace("{text}", text)


@dataclass(frozen=True)
class Judgements:
    """What a model makes of some texts.

    Attributes:
        logits: `(texts, words)` float64.
        truncated: `(texts,)` bool, whether a text was too long to be read whole.
        problems: Position to why there is no label, where there is none.
        unasked: Positions of those among them that the budget left out.
        seconds_from_log: What the part that came from the log once took.
    """

    logits: np.ndarray
    truncated: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    unasked: frozenset[int] = frozenset()
    seconds_from_log: float = 0.0


class Labeller(ABC):
    """A model with a task."""

    task: LabellingTask

    @abstractmethod
    def judge(self, texts: Sequence[str]) -> Judgements:
        """Label `texts`, in their order."""

    @abstractmethod
    def expect(self, texts: Sequence[str]) -> Estimate:
        """What `judge` would cost."""

    @property
    @abstractmethod
    def spent(self) -> Spent:
        """What it has cost so far."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What its answers depend on, besides the prompt."""


def common_reasons(problems: dict[int, str], most: int = 3) -> list[str]:
    """The commonest problems, each with how often it came."""
    return [f"{reason} ({count:,} times)" for reason, count in Counter(problems.values()).most_common(most)]
