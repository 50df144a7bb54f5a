"""Label texts by asking a language model and reading the label from its answer."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from trifold.events import track
from trifold.llm.answer_parser import find_word
from trifold.llm.client import Client, Failure
from trifold.llm.contract import Answer, Sampling
from trifold.llm.cost_estimate import Estimate
from trifold.llm.labeller import Judgements, Labeller, LabellingTask
from trifold.llm.prompt_template import Conversation, Message
from trifold.llm.spending_limit import Spent
from trifold.terminal import printable

# Number of votes that the class priors count as.
_PRIOR_VOTES = 0.2
_VOTING_TEMPERATURE = 0.7
_ASKED_AGAIN = "That was not one of the possible answers. Answer with exactly one of these and nothing else: {words}."


class GenerationLabeller(Labeller):
    """Asks, reads the label from the answer, asks once more if there is none, and abstains if there still is none.

    Args:
        client: The model.
        task: What to label with.
        votes: Answers for each text.
        prior: Class priors, `(words,)`; equal if `None`.
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
        self.task = task
        self.client = client
        self.votes = votes
        self.prior = np.full(len(task.words), 1 / len(task.words)) if prior is None else prior
        sampling = sampling or Sampling()
        # Without a temperature, all votes would be equal.
        self._sampling = (
            replace(sampling, temperature=_VOTING_TEMPERATURE) if votes > 1 and not sampling.temperature else sampling
        )
        self.asked = self.abstained = 0

    @property
    def spent(self) -> Spent:
        """See `Labeller.spent`."""
        return self.client.budget.spent

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return self.client.model.identity

    def judge(self, texts: Sequence[str]) -> Judgements:
        """See `Labeller.judge`. A text without a usable answer gets the class priors."""
        before = self.spent.seconds_from_log
        unique = list(dict.fromkeys(texts))
        counts, problems, unasked = self._count(unique)
        logits = np.log((counts + _PRIOR_VOTES * self.prior) / (counts.sum(1, keepdims=True) + _PRIOR_VOTES))
        position_of = {text: position for position, text in enumerate(unique)}
        positions = [position_of[text] for text in texts]
        self.asked += len(texts)
        found = {row: problems[position] for row, position in enumerate(positions) if position in problems}
        self.abstained += len(found)
        return Judgements(
            logits[positions] if texts else np.zeros((0, len(self.task.words))),
            np.zeros(len(texts), dtype=bool),
            found,
            frozenset(row for row, position in enumerate(positions) if position in unasked),
            self.spent.seconds_from_log - before,
        )

    def expect(self, texts: Sequence[str]) -> Estimate:
        """See `Labeller.expect`."""
        asked = [
            (conversation, replace(self._sampling, vote=vote))
            for conversation in self.task.conversations(list(dict.fromkeys(texts)))
            for vote in self._vote_numbers
        ]
        return self.client.expect(asked)

    @property
    def _vote_numbers(self) -> Sequence[int]:
        """Numbers of the votes, by which the log tells them apart; a single answer has the number 0."""
        return range(1, self.votes + 1) if self.votes > 1 else (0,)

    def _count(self, texts: list[str]) -> tuple[np.ndarray, dict[int, str], set[int]]:
        """Votes, `(texts, words)`; texts without a vote and the reason; those of them that the budget left out."""
        counts = np.zeros((len(texts), len(self.task.words)))
        conversations = self.task.conversations(texts)
        rounds = [(position, one, vote) for position, one in enumerate(conversations) for vote in self._vote_numbers]
        problems: dict[int, str] = {}
        unasked: set[int] = set()
        with track(f"asking about {len(texts):,} texts", len(rounds)) as advance:
            again = self._round(rounds, counts, problems, unasked, advance)
            self._round(again, counts, problems, unasked, lambda _: None)
        return counts, {position: why for position, why in problems.items() if not counts[position].any()}, unasked

    def _round(
        self,
        asked: list[tuple[int, Conversation, int]],
        counts: np.ndarray,
        problems: dict[int, str],
        unasked: set[int],
        advance: Callable[[int], None],
    ) -> list[tuple[int, Conversation, int]]:
        """Ask, count the votes, and return the conversations to ask again, with a reminder of the allowed words."""
        again = []
        samplings = [replace(self._sampling, vote=vote) for _, _, vote in asked]
        with closing(self.client.ask_all([conversation for _, conversation, _ in asked], samplings)) as answers:
            for number, answer in answers:
                position, conversation, vote = asked[number]
                advance(1)
                if isinstance(answer, Failure):
                    problems[position] = answer.reason
                    unasked.update({position} if answer.unasked else ())
                    continue
                word = find_word(answer.text, self.task.words)
                if word is not None:
                    counts[position, word] += 1
                    continue
                problems[position] = f"the model answered {_quoted_beginning(answer.text)}, which is no label"
                again.append((position, (*conversation, *self._reminder(answer)), vote))
        return again

    def _reminder(self, answer: Answer) -> tuple[Message, Message]:
        words = ", ".join(self.task.words)
        return Message("assistant", answer.text), Message("user", _ASKED_AGAIN.format(words=words))


def _quoted_beginning(text: str) -> str:
    """The first 60 characters of a text in quotes, on one line."""
    line = " ".join(printable(text).split())
    return repr(line if len(line) <= 60 else line[:60] + "…")
