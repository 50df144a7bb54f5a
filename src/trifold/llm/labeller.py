"""Labelling texts with a language model: the task, the result, and the contract of labellers."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trifold.llm.cost_estimate import Estimate
from trifold.llm.option_letters import asking_for_letters, letters_of
from trifold.llm.prompt_template import Conversation, Example, Prompt
from trifold.llm.spending_limit import Spent
from trifold.types import Text, parts_of, single_texts, two_sides

Shots = Callable[[Sequence[str]], Sequence[tuple[Example, ...]]]


def _no_shots(texts: Sequence[str]) -> Sequence[tuple[Example, ...]]:
    return [()] * len(texts)


@dataclass(frozen=True)
class LabellingTask:
    """A labelling task as it is put to a language model.

    Attributes:
        prompt: The task as instructions.
        words: The words for the labels, in class order.
        cloze: The task as a sentence with a gap, for masked models.
        shots: From texts to the labelled examples that are shown with each.
        max_length: The most tokens of a text; `None` for no limit.
        long_text: What is kept of a longer text, `truncate` or `head+tail`.
        hypothesis: How a reranker is told of a label; `None` for the model's own way.
        pairs: Whether pairs of texts are labelled, and not single ones.
        by_line: Whether answers are `label_lines`, where a text may have several labels.
        by_letter: Whether answers are `option_letters`.
    """

    prompt: Prompt
    words: tuple[str, ...]
    cloze: str
    shots: Shots = _no_shots
    max_length: int | None = None
    long_text: str = "truncate"
    hypothesis: str | None = None
    pairs: bool = False
    by_line: bool = False
    by_letter: bool = False

    @property
    def score_by(self) -> str:
        """As in `PromptingSettings`."""
        return "letters" if self.by_letter else "words"

    @property
    def answers(self) -> tuple[str, ...]:
        """What stands for each label in an answer, in class order: its word, or the letter that it is listed with."""
        return letters_of(self.words, list(self.prompt.output.labels.values())) if self.by_letter else self.words

    @property
    def several(self) -> bool:
        """Whether a text may have several labels, or none."""
        return self.prompt.output.several

    def conversations(self, texts: Sequence[Text]) -> list[Conversation]:
        """The messages for each text."""
        every = self.shots([str(text) for text in texts])
        whole = [replace(self.prompt, examples=(*self.prompt.examples, *shots)) for shots in every]
        shown = [asking_for_letters(one) if self.by_letter else one for one in whole]
        return [one.render(self.values(text)) for text, one in zip(texts, shown, strict=True)]

    def values(self, text: Text) -> dict[str, str]:
        """What is filled in for a text, or for the two of a pair."""
        return dict(zip(self.prompt.text_variables(pairs=self.pairs), parts_of(text), strict=True))

    def readable(self, texts: Sequence[Text]) -> Sequence[Text]:
        """The texts, if they are what is labelled.

        Raises:
            DataError: If they are pairs where single texts are labelled, or the other way round.
        """
        if self.pairs:
            two_sides(texts)
            return texts
        return single_texts(texts)

    @property
    def lists_labels(self) -> bool:
        """Whether the prompt lists its labels itself, in an order that may be changed."""
        return not self.prompt.output.format and len(self.words) > 1

    def in_order(self, number: int) -> "LabellingTask":
        """The task with the prompt's list of labels in another order.

        Args:
            number: 0 for the order as given, 1 for the reversed one, others for random ones, the same each time.
        """
        labels = list(self.prompt.output.labels.items())
        if number == 1:
            labels.reverse()
        elif number:
            labels = [labels[place] for place in np.random.default_rng(number).permutation(len(labels))]
        return replace(self, prompt=replace(self.prompt, output=replace(self.prompt.output, labels=dict(labels))))

    def around(self, text: Text) -> tuple[str, str]:
        """The cloze sentence for a text: the part before the gap, and the part after it. A pair is read as one text."""
        before, after = self.cloze.split("{mask}")
        return before.replace("{text}", str(text)), after.replace("{text}", str(text))


@dataclass(frozen=True)
class Judgements:
    """A model's labels for some texts.

    Attributes:
        logits: `(texts, words)` float64; where a text may have several labels, those of each label by itself.
        truncated: `(texts,)` bool, whether a text was cut.
        problems: For texts without a label, position to reason.
        unasked: Positions of the texts that the budget left out; they are among `problems`.
        seconds_from_log: Time that the answers from the log once took.
    """

    logits: np.ndarray
    truncated: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    unasked: frozenset[int] = frozenset()
    seconds_from_log: float = 0.0


class Labeller(ABC):
    """A model with a labelling task."""

    task: LabellingTask

    @abstractmethod
    def judge(self, texts: Sequence[Text]) -> Judgements:
        """Label `texts`; the result is in their order."""

    @abstractmethod
    def expect(self, texts: Sequence[Text]) -> Estimate:
        """Forecast of what `judge` would cost."""

    @property
    @abstractmethod
    def spent(self) -> Spent:
        """Cost so far."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What its answers depend on apart from the prompt."""


def common_reasons(problems: dict[int, str], most: int = 3) -> list[str]:
    """The most common problems, each with its number of texts."""
    return [f"{reason} ({count:,} times)" for reason, count in Counter(problems.values()).most_common(most)]
