"""Label texts with a language model: by likelihood where the weights are here, by asking where they are not."""

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from trifold.errors import BudgetError, LlmError
from trifold.llm.answers import find_word
from trifold.llm.asker import Asker, Failure, as_json
from trifold.llm.budget import Budget, Spent
from trifold.llm.contract import Answer, Gap, Sampling, Scorer, Speaker
from trifold.llm.estimate import Estimate
from trifold.llm.log import Call, Log
from trifold.llm.prompt import Conversation, Example, Message, Output, Prompt, Variable
from trifold.progress import track

Shots = Callable[[Sequence[str]], Sequence[tuple[Example, ...]]]
# Few enough that little is lost when a command is killed, enough to batch well.
_TEXTS_PER_SLICE = 256
# What a model says of these is what it would say anyway.
# Source: Zhao et al. 2021, "Calibrate Before Use: Improving Few-Shot Performance of Language Models".
_NO_TEXTS = ("N/A", "", "[MASK]")
# Votes that the share of each label in general counts for.
_PRIOR_VOTES = 0.2
_DECIMALS = 6
_TRIED_TEXTS = 3
_VOTING_TEMPERATURE = 0.7
_ASKED_AGAIN = "That was not one of the possible answers. Answer with exactly one of these and nothing else: {words}."


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


class LikelihoodLabeller(Labeller):
    """Scores what each label is called: always a valid label, with probabilities.

    Args:
        model: On this machine.
        task: What to label with.
        log: Where figures are kept and found.
        budget: What may be spent; a text is a call.
        bias: `(words,)`, taken off each text's figures; nothing where `None`.
    """

    def __init__(
        self, model: Scorer, task: LabellingTask, log: Log, budget: Budget, bias: np.ndarray | None = None
    ) -> None:
        self.task = task
        self.model = model
        self.bias = np.zeros(len(task.words)) if bias is None else bias
        self._log = log
        self._budget = budget

    @property
    def spent(self) -> Spent:
        """See `Labeller.spent`."""
        return self._budget.spent

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return self.model.identity

    def judge(self, texts: Sequence[str]) -> Judgements:
        """See `Labeller.judge`. A text whose prompt is longer than the model reads is a problem, not an end."""
        cuts = [self._cut(text) for text in texts]
        found, problems, unasked, seconds = self._figures([text for text, _ in cuts])
        truncated = np.array([was_cut for _, was_cut in cuts], dtype=bool)
        return Judgements(found - self.bias, truncated, problems, frozenset(unasked), seconds)

    def expect(self, texts: Sequence[str]) -> Estimate:
        """See `Labeller.expect`. A few texts are scored to see how long one takes."""
        gaps = self._gaps([self._cut(text)[0] for text in texts])
        missing = [gap for gap in gaps if self._log.find(self._call(gap)) is None]
        tried = missing[:_TRIED_TEXTS]
        begun = time.perf_counter()
        self.model.log_likelihoods(tried)
        seconds = (time.perf_counter() - begun) / max(1, len(tried))
        tokens = sum(self.model.count(gap) for gap in missing)
        known = len(gaps) - len(missing)
        return Estimate(len(missing), known, tokens, 0, seconds * len(missing), True, "a few of these texts, just now")

    def calibrate(self, shots: Shots | None = None) -> None:
        """From now on, take off what the model says where there is no text at all.

        Args:
            shots: Examples that are shown then; those of the task where `None`.

        Raises:
            BudgetError: If the budget does not reach for it.
            LlmError: If the prompt cannot be scored.
        """
        task, self.task = self.task, replace(self.task, shots=shots or self.task.shots)
        found, problems, unasked, _ = self._figures(list(_NO_TEXTS))
        self.task = task
        if problems:
            reason = next(iter(problems.values()))
            raise BudgetError(f"{reason} before any text was read") if unasked else LlmError(reason)
        self.bias = logsumexp(log_softmax(found, axis=1), axis=0) - np.log(len(_NO_TEXTS))

    def _cut(self, text: str) -> tuple[str, bool]:
        if self.task.max_length is None:
            return text, False
        return self.model.cut(text, self.task.max_length, self.task.long_text)

    def _figures(self, texts: list[str]) -> tuple[np.ndarray, dict[int, str], set[int], float]:
        """Log-likelihoods, problems, those of them that are the budget's, and what the log's part once took."""
        gaps = self._gaps(texts)
        calls = [self._call(gap) for gap in gaps]
        found = np.zeros((len(texts), len(self.task.words)))
        problems: dict[int, str] = {}
        unasked: set[int] = set()
        missing, seconds = [], 0.0
        # Texts that say the same, or are cut to the same, are one prompt: scored once, and to the last digit alike.
        first: dict[str, int] = {}
        for place, call in enumerate(calls):
            if first.setdefault(call.key, place) < place:
                continue
            known = self._log.find(call)
            if known is None or known.answer is None:
                missing.append(place)
                continue
            found[place] = list(json.loads(known.answer).values())
            seconds += known.seconds
            self._budget.charge(known.prompt_tokens, 0, known.seconds, from_log=True)
        for start in range(0, len(missing), _TEXTS_PER_SLICE):
            places = missing[start : start + _TEXTS_PER_SLICE]
            allowed = []
            for place in places:
                try:
                    self._budget.take()
                    allowed.append(place)
                except BudgetError as error:
                    problems[place] = str(error)
                    unasked.add(place)
            self._score(allowed, gaps, calls, found, problems)
        for place, call in enumerate(calls):
            same = first[call.key]
            found[place] = found[same]
            problems |= {place: problems[same]} if same in problems else {}
            unasked |= {place} if same in unasked else set()
        return found, problems, unasked, seconds

    def _gaps(self, texts: list[str]) -> list[Gap]:
        return [
            Gap(conversation, self.task.around(text), self.task.words)
            for text, conversation in zip(texts, self.task.conversations(texts), strict=True)
        ]

    def _score(
        self, places: list[int], gaps: list[Gap], calls: list[Call], found: np.ndarray, problems: dict[int, str]
    ) -> None:
        """Score some gaps together; where one is too long, in halves, so that it spoils no other's."""
        if not places:
            return
        begun = time.perf_counter()
        try:
            # Rounded as they are logged, so that a figure is the same whether it comes from there or not.
            found[places] = np.round(self.model.log_likelihoods([gaps[place] for place in places]), _DECIMALS)
        except LlmError as error:
            if len(places) == 1:
                problems[places[0]] = str(error)
                return
            half = len(places) // 2
            for part in (places[:half], places[half:]):
                self._score(part, gaps, calls, found, problems)
            return
        seconds = (time.perf_counter() - begun) / len(places)
        for place in places:
            answer = json.dumps(dict(zip(self.task.words, found[place].tolist(), strict=True)), ensure_ascii=False)
            tokens = self.model.count(gaps[place])
            self._log.add(replace(calls[place], answer=answer, prompt_tokens=tokens, seconds=seconds))
            self._budget.charge(tokens, 0, seconds, from_log=False)

    def _call(self, gap: Gap) -> Call:
        """How a gap is found in the log."""
        prompt = as_json(gap.conversation) if isinstance(self.model, Speaker) else json.dumps(gap.around)
        asked = json.dumps({"likelihood of": gap.words}, ensure_ascii=False)
        return Call.to_make(self.model.identity, prompt, asked)


class AskingLabeller(Labeller):
    """Asks, reads the label from the answer, asks again if there is none, and abstains if there still is none.

    Args:
        asker: The model.
        task: What to label with.
        votes: Answers for each text.
        prior: `(words,)`, how common each label is in general; alike where `None`.
        sampling: How answers are written.
    """

    def __init__(
        self,
        asker: Asker,
        task: LabellingTask,
        votes: int = 1,
        prior: np.ndarray | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        self.task = task
        self.asker = asker
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
        return self.asker.budget.spent

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return self.asker.model.identity

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
        return self.asker.expect(asked)

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
        with closing(self.asker.ask_all([conversation for _, conversation, _ in asked], samplings)) as answers:
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


def plain_prompt(words: Iterable[str]) -> Prompt:
    """What is sent where the user names no prompt file."""
    return Prompt(
        task="Text: {text}\nLabel:",
        role="You label texts.",
        output=Output(labels={word: word for word in words}),
        variables={"text": Variable("The text to label.")},
    )


def common_reasons(problems: dict[int, str], most: int = 3) -> list[str]:
    """The commonest problems, each with how often it came."""
    return [f"{reason} ({count:,} times)" for reason, count in Counter(problems.values()).most_common(most)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else line[:60] + "…")
