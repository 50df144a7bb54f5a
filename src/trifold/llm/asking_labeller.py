"""What labellers share that put every text to a model as a question of its own."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import numpy as np

from trifold.llm.client import Client, Failure
from trifold.llm.contract import Answer, Sampling
from trifold.llm.cost_estimate import Estimate
from trifold.llm.labeller import Judgements, Labeller, LabellingTask
from trifold.llm.prompt_template import Conversation
from trifold.llm.spending_limit import Spent
from trifold.types import Text

# Number of votes that the class priors count as: little where an answer has probabilities of its own.
_PRIOR_VOTES, _PRIOR_VOTES_OF_SCORED = 0.2, 0.001

# Position of a text, what it is asked with, and how the answer is written.
Question = tuple[int, Conversation, Sampling]


class Ballot:
    """The answers about some texts: votes or probabilities for the labels, or a reason why there are none.

    Args:
        texts: Number of texts.
        task: What to label with.
    """

    def __init__(self, texts: int, task: LabellingTask) -> None:
        self.votes = np.zeros((texts, len(task.words)))
        self._several = task.several
        self._answers = np.zeros(texts)
        self.scored = np.zeros(texts, dtype=bool)
        self.problems: dict[int, str] = {}
        self.unasked: set[int] = set()

    def count(self, position: int, votes: np.ndarray, *, scored: bool) -> None:
        """Count an answer.

        Args:
            position: Of the text.
            votes: `(words,)`, which add up to 1, unless a text may have several labels.
            scored: Whether they are probabilities.
        """
        self.votes[position] += votes
        self._answers[position] += 1
        self.scored[position] = scored

    def logits(self, prior: np.ndarray) -> np.ndarray:
        """`(texts, words)`; a text without an answer gets the priors."""
        weight = np.where(self.scored, _PRIOR_VOTES_OF_SCORED, _PRIOR_VOTES)[:, None]
        shares = (self.votes + weight * prior) / (self._answers[:, None] + weight)
        logits: np.ndarray = np.log(shares) - np.log1p(-shares) if self._several else np.log(shares)
        return logits

    @property
    def unanswered(self) -> dict[int, str]:
        """Texts without any vote, and why."""
        return {position: why for position, why in self.problems.items() if not self._answers[position]}


class AskingLabeller(Labeller):
    """Asks about each different text once.

    Args:
        client: The model.
        task: What to label with.
        prior: Class priors, `(words,)` between 0 and 1, for texts without a usable answer; equal if `None`.

    Attributes:
        asked: Texts so far.
        abstained: Texts so far without a usable answer.
        beside: For each answer with probabilities so far, what of them went to something else than labels.
    """

    def __init__(self, client: Client, task: LabellingTask, prior: np.ndarray | None = None) -> None:
        self.task = task
        self.client = client
        self.prior = np.full(len(task.words), 1 / len(task.words)) if prior is None else prior
        self.asked = self.abstained = 0
        self.beside: list[float] = []

    @abstractmethod
    def questions(self, texts: Sequence[Text]) -> list[Question]:
        """What is asked about the texts, all of which are different."""

    @abstractmethod
    def ask(self, texts: Sequence[Text]) -> Ballot:
        """Ask about the texts, all of which are different."""

    @property
    def spent(self) -> Spent:
        """See `Labeller.spent`."""
        return self.client.budget.spent

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return self.client.model.identity

    def judge(self, texts: Sequence[Text]) -> Judgements:
        """See `Labeller.judge`. A text without a usable answer gets the class priors."""
        before = self.spent.seconds_from_log
        unique = list(dict.fromkeys(texts))
        ballot = self.ask(unique)
        position_of = {text: position for position, text in enumerate(unique)}
        positions = [position_of[text] for text in texts]
        problems = ballot.unanswered
        self.asked += len(texts)
        found = {row: problems[position] for row, position in enumerate(positions) if position in problems}
        self.abstained += len(found)
        return Judgements(
            ballot.logits(self.prior)[positions] if texts else np.zeros((0, len(self.task.words))),
            np.zeros(len(texts), dtype=bool),
            found,
            frozenset(row for row, position in enumerate(positions) if position in ballot.unasked),
            self.spent.seconds_from_log - before,
        )

    def expect(self, texts: Sequence[Text]) -> Estimate:
        """See `Labeller.expect`."""
        asked = self.questions(list(dict.fromkeys(texts)))
        return self.client.expect([(conversation, sampling) for _, conversation, sampling in asked])

    def answers(
        self, asked: Sequence[Question], ballot: Ballot, advance: Callable[[int], None]
    ) -> Generator[tuple[int, Answer]]:
        """Ask, and note the failures.

        Yields:
            The number of a question and its answer, in the order in which the answers arrive.
        """
        conversations, samplings = [one for _, one, _ in asked], [one for _, _, one in asked]
        with closing(self.client.ask_all(conversations, samplings)) as answers:
            for number, answer in answers:
                advance(1)
                if isinstance(answer, Failure):
                    position = asked[number][0]
                    ballot.problems[position] = answer.reason
                    ballot.unasked.update({position} if answer.unasked else ())
                else:
                    yield number, answer
