"""Label texts with a decision server, which gives each label a probability."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trifold.errors import LlmError
from trifold.events import track
from trifold.llm.asking_labeller import AskingLabeller, Ballot, Question
from trifold.llm.client import Client
from trifold.llm.contract import Choice, Sampling
from trifold.llm.decision_server import MAX_CHOICES
from trifold.llm.label_words import PLAIN_PROMPT
from trifold.llm.labeller import LabellingTask
from trifold.llm.prompt_template import Message, Output, Prompt
from trifold.llm.scored_answer import read_scored
from trifold.types import Text

_PLAIN_QUESTION = "Which label fits the text?"


class DecisionLabeller(AskingLabeller):
    """Puts the prompt as a question whose possible answers are the labels, with what they are called as descriptions.

    Args:
        client: The decision server.
        task: What to label with.
        votes: Must be 1.
        prior: As in `AskingLabeller`.

    Raises:
        LlmError: If the task has what a decision server cannot use.
    """

    def __init__(self, client: Client, task: LabellingTask, votes: int = 1, prior: np.ndarray | None = None) -> None:
        super().__init__(client, task, prior)
        shots = getattr(task.shots, "examples", ())
        require_decidable(task.prompt, len(shots), votes, len(task.words))
        names = tuple(task.prompt.output.labels)
        self._choices = tuple(
            Choice(name, word if word != name else "") for name, word in zip(names, task.words, strict=True)
        )
        self._plain = replace(task.prompt, output=Output()) == PLAIN_PROMPT

    def questions(self, texts: Sequence[Text]) -> list[Question]:
        """See `AskingLabeller.questions`."""
        # The choices are sent apart from the instructions, so these need not list them.
        output = self.task.prompt.output
        bare = replace(self.task.prompt, output=Output("" if output.json_schema() is not None else output.format))
        sampling = Sampling(choices=self._choices, several=self.task.several)
        found: list[Question] = []
        for position, text in enumerate(texts):
            *system, asked = bare.render(self.task.values(text))
            question = system[0].content if system and not self._plain else _PLAIN_QUESTION
            state = str(text) if self._plain else asked.content
            found.append((position, (Message("system", question), Message("user", state)), sampling))
        return found

    def ask(self, texts: Sequence[Text]) -> Ballot:
        """See `AskingLabeller.ask`."""
        ballot = Ballot(len(texts), self.task)
        questions, names = self.questions(texts), [choice.value for choice in self._choices]
        with track(f"asking about {len(texts):,} texts", len(questions)) as advance:
            for number, answer in self.answers(questions, ballot, advance):
                found = read_scored(answer.text, names)
                if found is None or not (found.any() or self.task.several):
                    ballot.problems[questions[number][0]] = "the log holds no probabilities for this text"
                else:
                    shares = found if self.task.several else found / found.sum()
                    ballot.count(questions[number][0], shares, scored=True)
        return ballot


def require_decidable(prompt: Prompt, shots: int, votes: int, labels: int) -> None:
    """Refuse what a decision server cannot use.

    Args:
        prompt: The instructions.
        shots: Labelled examples that are shown.
        votes: Answers for each text.
        labels: Number of labels.

    Raises:
        LlmError: If there is any; the message names it.
    """
    if labels > MAX_CHOICES:
        raise LlmError(
            f"a decision server takes at most {MAX_CHOICES} labels, and there are {labels}: name a server that writes "
            "(--llm openai:…) or weights on this machine (--llm hf:…)"
        )
    for given, what in (
        (shots, f"--shots {shots}"),
        (prompt.examples, "the prompt file's [[examples]]"),
        (prompt.output.stop, "the prompt file's output.stop"),
        (votes > 1, f"--votes {votes}"),
    ):
        if given:
            raise LlmError(
                f"a decision server reads no examples and writes nothing, so it cannot use {what}: leave it out"
            )
