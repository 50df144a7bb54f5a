"""Label texts by asking a language model and reading the label from what it answers."""

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

# Votes that the share of each label in general counts for.
_PRIOR_VOTES = 0.2
_VOTING_TEMPERATURE = 0.7
_ASKED_AGAIN = "That was not one of the possible answers. Answer with exactly one of these and nothing else: {words}."


class GenerationLabeller(Labeller):
    """Asks, reads the label from the answer, asks again if there is none, and abstains if there still is none.

    Args:
        client: The model.
        task: What to label with.
        votes: Answers for each text.
        prior: `(words,)`, how common each label is in general; alike where `None`.
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
        # Answers that cannot differ need no vote.
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
        """See `Labeller.judge`. Where nothing usable is answered, the labels' general shares are all there is."""
        before = self.spent.seconds_from_log
        unique = list(dict.fromkeys(texts))
        counts, problems, unasked = self._count(unique)
        logits = np.log((counts + _PRIOR_VOTES * self.prior) / (counts.sum(1, keepdims=True) + _PRIOR_VOTES))
        place_of = {text: place for place, text in enumerate(unique)}
        places = [place_of[text] for text in texts]
        self.asked += len(texts)
        found = {row: problems[place] for row, place in enumerate(places) if place in problems}
        self.abstained += len(found)
        return Judgements(
            logits[places] if texts else np.zeros((0, len(self.task.words))),
            np.zeros(len(texts), dtype=bool),
            found,
            frozenset(row for row, place in enumerate(places) if place in unasked),
            self.spent.seconds_from_log - before,
        )

    def expect(self, texts: Sequence[str]) -> Estimate:
        """See `Labeller.expect`."""
        asked = [
            (conversation, replace(self._sampling, vote=vote))
            for conversation in self.task.conversations(list(dict.fromkeys(texts)))
            for vote in self._numbers
        ]
        return self.client.expect(asked)

    @property
    def _numbers(self) -> Sequence[int]:
        """Votes are numbered, so that each is found in the log as itself; a single answer is nobody's vote."""
        return range(1, self.votes + 1) if self.votes > 1 else (0,)

    def _count(self, texts: list[str]) -> tuple[np.ndarray, dict[int, str], set[int]]:
        """Votes `(texts, words)`; why a text has none; those among them that the budget left out."""
        counts = np.zeros((len(texts), len(self.task.words)))
        conversations = self.task.conversations(texts)
        rounds = [(place, one, vote) for place, one in enumerate(conversations) for vote in self._numbers]
        problems: dict[int, str] = {}
        unasked: set[int] = set()
        with track(f"asking about {len(texts):,} texts", len(rounds)) as advance:
            again = self._round(rounds, counts, problems, unasked, advance)
            self._round(again, counts, problems, unasked, lambda _: None)
        return counts, {place: why for place, why in problems.items() if not counts[place].any()}, unasked

    def _round(
        self,
        asked: list[tuple[int, Conversation, int]],
        counts: np.ndarray,
        problems: dict[int, str],
        unasked: set[int],
        advance: Callable[[int], None],
    ) -> list[tuple[int, Conversation, int]]:
        """Ask, count, and return what has to be asked again, with what was wrong."""
        again = []
        samplings = [replace(self._sampling, vote=vote) for _, _, vote in asked]
        with closing(self.client.ask_all([conversation for _, conversation, _ in asked], samplings)) as answers:
            for number, answer in answers:
                place, conversation, vote = asked[number]
                advance(1)
                if isinstance(answer, Failure):
                    problems[place] = answer.reason
                    unasked.update({place} if answer.unasked else ())
                    continue
                word = find_word(answer.text, self.task.words)
                if word is not None:
                    counts[place, word] += 1
                    continue
                problems[place] = f"the model answered {_short(answer.text)}, which is no label"
                again.append((place, (*conversation, *self._reminder(answer)), vote))
        return again

    def _reminder(self, answer: Answer) -> tuple[Message, Message]:
        words = ", ".join(self.task.words)
        return Message("assistant", answer.text), Message("user", _ASKED_AGAIN.format(words=words))


def _short(text: str) -> str:
    line = " ".join(printable(text).split())
    return repr(line if len(line) <= 60 else line[:60] + "…")
