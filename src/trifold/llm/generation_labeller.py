"""Label texts by asking a language model and reading the label from its answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from trifold.events import track
from trifold.llm.answer_parser import find_word, find_words
from trifold.llm.asking_labeller import AskingLabeller, Ballot, Question
from trifold.llm.client import Client
from trifold.llm.contract import Choice, Sampling, Scorer
from trifold.llm.labeller import LabellingTask
from trifold.llm.prompt_template import Message
from trifold.llm.scored_answer import read_scored
from trifold.terminal import printable
from trifold.types import Text

_VOTING_TEMPERATURE = 0.7
_ASKED_AGAIN = "That was not one of the possible answers. Answer with exactly one of these and nothing else: {words}."
_ASKED_AGAIN_FOR_SEVERAL = (
    "That was not a list of possible answers. Answer with those of these that apply, separated by commas, or with "
    "none, and nothing else: {words}."
)


class GenerationLabeller(AskingLabeller):
    """Asks, reads the label from the answer, asks once more if there is none, and abstains if there still is none.

    A model that tells the probabilities of its tokens gives the labels' probabilities with a single answer.

    Args:
        client: The model.
        task: What to label with.
        votes: Answers for each text.
        prior: As in `AskingLabeller`.
        sampling: How answers are written.
    """

    def __init__(
        self,
        client: Client,
        task: LabellingTask,
        votes: int = 1,
        prior: np.ndarray | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        super().__init__(client, task, prior)
        self.votes = votes
        sampling = sampling or Sampling()
        # A server that knows the choices tells probabilities instead of a vote; a model here is held to them.
        if not task.several and (votes == 1 or isinstance(client.model, Scorer)):
            sampling = replace(sampling, choices=tuple(Choice(word) for word in task.words))
        if votes > 1 and not sampling.temperature:
            # Without a temperature, all votes would be equal.
            sampling = replace(sampling, temperature=_VOTING_TEMPERATURE)
        self._sampling = sampling

    def questions(self, texts: Sequence[Text]) -> list[Question]:
        """See `AskingLabeller.questions`. Votes are numbered, by which the log tells them apart."""
        votes = range(1, self.votes + 1) if self.votes > 1 else (0,)
        return [
            (position, conversation, replace(self._sampling, vote=vote))
            for position, conversation in enumerate(self.task.conversations(texts))
            for vote in votes
        ]

    def ask(self, texts: Sequence[Text]) -> Ballot:
        """See `AskingLabeller.ask`."""
        ballot = Ballot(len(texts), self.task)
        questions = self.questions(texts)
        with track(f"asking about {len(texts):,} texts", len(questions)) as advance:
            again = self._round(questions, ballot, advance)
            self._round(again, ballot, lambda _: None)
        return ballot

    def _round(self, asked: list[Question], ballot: Ballot, advance: Callable[[int], None]) -> list[Question]:
        """Ask, count the answers, and return the questions to ask again, with a reminder of the allowed words."""
        again = []
        for number, answer in self.answers(asked, ballot, advance):
            position, conversation, sampling = asked[number]
            found = read_scored(answer.text, self.task.words)
            if found is not None and found.any():
                self.beside.append(max(0.0, 1.0 - float(found.sum())))
                ballot.count(position, found / found.sum(), scored=True)
                continue
            named = self._named(answer.text)
            if named is not None:
                votes = np.zeros(len(self.task.words))
                votes[named] = 1.0
                ballot.count(position, votes, scored=False)
                continue
            ballot.problems[position] = f"the model answered {_quoted_beginning(answer.text)}, which is no label"
            again.append((position, (*conversation, *self._reminder(answer.text)), sampling))
        return again

    def _named(self, answer: str) -> list[int] | None:
        """Positions of the labels that an answer names; `None` if it names none in a way that counts."""
        if self.task.several:
            return find_words(answer, self.task.words)
        word = find_word(answer, self.task.words)
        return None if word is None else [word]

    def _reminder(self, answer: str) -> tuple[Message, Message]:
        said = _ASKED_AGAIN_FOR_SEVERAL if self.task.several else _ASKED_AGAIN
        return Message("assistant", answer), Message("user", said.format(words=", ".join(self.task.words)))


def _quoted_beginning(text: str) -> str:
    """The first 60 characters of a text in quotes, on one line."""
    line = " ".join(printable(text).split())
    return repr(line if len(line) <= 60 else line[:60] + "…")
