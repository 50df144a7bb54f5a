"""Label texts by how likely a model on this machine finds what each label is called."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from trifold.data.row_sample import some
from trifold.errors import BudgetError, LlmError
from trifold.json_reading import parse_json
from trifold.llm.call_log import Call, CallLog
from trifold.llm.contract import Gap, Scorer, TextGenerator
from trifold.llm.cost_estimate import Estimate
from trifold.llm.labeller import Judgements, Labeller, LabellingTask, Shots
from trifold.llm.prompt_template import conversation_to_json
from trifold.llm.spending_limit import SpendingLimit, Spent

# Few enough that little is lost when a command is killed, enough to batch well.
_TEXTS_PER_SLICE = 256
# What a model says of these is what it would say anyway.
# Source: Zhao et al. 2021, "Calibrate Before Use: Improving Few-Shot Performance of Language Models".
_NO_TEXTS = ("N/A", "", "[MASK]")
_DECIMALS = 6
_TRIED_TEXTS = 3


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
        self, model: Scorer, task: LabellingTask, log: CallLog, budget: SpendingLimit, bias: np.ndarray | None = None
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
        tried = some(missing, _TRIED_TEXTS)
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
            figures = _figures_of(known, self.task.words)
            if known is None or figures is None:
                missing.append(place)
                continue
            found[place] = figures
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
        prompt = (
            conversation_to_json(gap.conversation) if isinstance(self.model, TextGenerator) else json.dumps(gap.around)
        )
        asked = json.dumps({"likelihood of": gap.words}, ensure_ascii=False)
        return Call.to_make(self.model.identity, prompt, asked)


def _figures_of(known: Call | None, words: Sequence[str]) -> list[float] | None:
    """The words' figures as they were logged; `None` where there are none, or the log was tampered with."""
    try:
        found = parse_json(known.answer) if known and known.answer else None
    except ValueError:
        return None
    if not isinstance(found, dict) or list(found) != list(words):
        return None
    return list(found.values()) if all(isinstance(value, float) for value in found.values()) else None
