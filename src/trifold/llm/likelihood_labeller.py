"""Label texts by the likelihoods that a model on this machine gives to the labels' words."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from trifold.data.row_sample import some
from trifold.errors import BudgetError, LlmError, require
from trifold.events import track
from trifold.formatting import counted
from trifold.json_reading import parse_json
from trifold.llm.call_log import Call, CallLog
from trifold.llm.contract import Gap, Scorer, TextGenerator
from trifold.llm.cost_estimate import Estimate
from trifold.llm.labeller import Judgements, Labeller, LabellingTask, Shots
from trifold.llm.spending_limit import SpendingLimit, Spent
from trifold.statistics.score_calibration import ScoreMap
from trifold.types import Text, TextPair, parts_of

# Few enough that little is lost if a command is killed, enough for full batches.
_TEXTS_PER_SLICE = 256
# Texts that say nothing, an empty one first; a pair is two of them.
# Source: Zhao et al. 2021, "Calibrate Before Use: Improving Few-Shot Performance of Language Models".
_NO_TEXTS = ("", "N/A", "[MASK]")
_DECIMALS = 6
# A text's first and last token may be others behind and before those of the prompt, and more of them.
_SEAM_TOKENS = 8
_TRIED_TEXTS = 3


class LikelihoodLabeller(Labeller):
    """Labels a text by the likelihoods of the labels' words: always a valid label, with probabilities.

    Args:
        model: A model on this machine.
        task: The labelling task.
        log: Holds the log-likelihoods of earlier calls and takes new ones.
        budget: Limits calls and seconds; a text counts as a call.
        score_map: From log-likelihoods to logits; as they are if `None`.
        orders: The prompt's list of labels is shown in so many orders, and the mean of the log-likelihoods is taken.

    Raises:
        SettingsError: If several orders are asked for, and the prompt does not list its labels itself.
    """

    def __init__(
        self,
        model: Scorer,
        task: LabellingTask,
        log: CallLog,
        budget: SpendingLimit,
        score_map: ScoreMap | None = None,
        orders: int = 1,
    ) -> None:
        self.task = task
        self.model = model
        self.score_map = score_map or ScoreMap.plain(len(task.words))
        self.orders = orders
        self._log = log
        self._budget = budget
        require(
            orders == 1 or self.lists_labels,
            f"--option-orders {orders}",
            "only a prompt without an output format of its own lists its labels, so that their order can be changed",
        )

    @property
    def lists_labels(self) -> bool:
        """Whether the model sees a list of labels, in an order that may be changed."""
        return self.task.lists_labels and isinstance(self.model, TextGenerator)

    @property
    def spent(self) -> Spent:
        """See `Labeller.spent`."""
        return self._budget.spent

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return self.model.identity

    def judge(self, texts: Sequence[Text]) -> Judgements:
        """See `Labeller.judge`. A text that is too long is cut; where the prompt alone is, there is no label."""
        found = self.scores(texts, self.orders)
        return replace(found, logits=self.score_map(found.logits))

    def scores(self, texts: Sequence[Text], orders: int) -> Judgements:
        """As `judge`, with the model's scores as they are, the mean over so many orders of the labels, as logits."""
        scores, found = self._by_order(texts, orders)
        return replace(found, logits=scores.mean(axis=0))

    def order_dependence(self, texts: Sequence[Text], orders: int) -> tuple[int, int]:
        """How many of the texts have another answer in one of so many orders of the labels, and of how many texts."""
        scores, found = self._by_order(texts, orders)
        logits = np.delete(np.stack([self.score_map(one) for one in scores]), list(found.problems), axis=1)
        answers = logits > 0 if self.task.several else logits.argmax(axis=2)[:, :, None]
        differ = (answers != answers[0]).any(axis=(0, 2))
        return int(differ.sum()), len(differ)

    def _by_order(self, texts: Sequence[Text], orders: int) -> tuple[np.ndarray, Judgements]:
        """Scores in each order, `(orders, texts, words)`, and all else that is to be said of them."""
        cuts = [self._cut(text) for text in texts]
        read = [self._log_likelihoods([text for text, _ in cuts], self.task.in_order(one)) for one in range(orders)]
        scores = np.stack([found for found, _, _, _ in read])
        problems = {place: reason for _, some_problems, _, _ in read for place, reason in some_problems.items()}
        unasked = frozenset(place for _, _, some_unasked, _ in read for place in some_unasked)
        truncated = np.array([was_cut for _, was_cut in cuts], dtype=bool)
        return scores, Judgements(scores[0], truncated, problems, unasked, sum(one for _, _, _, one in read))

    def expect(self, texts: Sequence[Text]) -> Estimate:
        """See `Labeller.expect`. A few texts are scored to measure the time of one."""
        cuts = [self._cut(text)[0] for text in texts]
        gaps = [gap for one in range(self.orders) for gap in self._gaps(cuts, self.task.in_order(one))]
        missing = [gap for gap in gaps if self._log.find(self._call(gap)) is None]
        tried = some(missing, _TRIED_TEXTS)
        begun = time.perf_counter()
        self._ask(tried)
        seconds = (time.perf_counter() - begun) / max(1, len(tried))
        tokens = sum(self.model.count(gap) for gap in missing)
        known = len(gaps) - len(missing)
        return Estimate(len(missing), known, tokens, 0, seconds * len(missing), True, "a few of these texts, just now")

    def scores_without_text(self, shots: Shots | None = None) -> np.ndarray:
        """What the model says of texts that say nothing, an empty one first: `(texts, words)` log-likelihoods.

        Args:
            shots: Examples that are shown with them; `None` for the task's own.

        Raises:
            BudgetError: If the budget does not allow it.
            LlmError: If the prompt cannot be scored.
        """
        task = replace(self.task, shots=shots or self.task.shots)
        silent: list[Text] = [TextPair(one, one) if task.pairs else one for one in _NO_TEXTS]
        read = [self._log_likelihoods(silent, task.in_order(one)) for one in range(self.orders)]
        for _, problems, unasked, _ in read:
            if problems:
                reason = next(iter(problems.values()))
                raise BudgetError(f"{reason} before any text was read") if unasked else LlmError(reason)
        return np.asarray(np.mean([found for found, _, _, _ in read], axis=0))

    def word_lengths(self) -> list[int]:
        """Tokens of each of the labels' words."""
        return self.model.word_lengths(self._gaps([TextPair("", "") if self.task.pairs else ""], self.task)[0])

    def _cut(self, text: Text) -> tuple[Text, bool]:
        """The text, or each text of a pair, as long as it may be, and whether anything was cut off."""
        most = self._room if self.task.max_length is None else self.task.max_length
        if most is None:
            return text, False
        parts, cut = zip(*(self.model.cut(one, most, self.task.long_text) for one in parts_of(text)), strict=True)
        return TextPair(*parts) if isinstance(text, TextPair) else parts[0], any(cut)

    @cached_property
    def _room(self) -> int | None:
        """Tokens that a text may have beside the prompt; `None` where that is unknown or nothing is left."""
        if self.model.window is None:
            return None
        pairs = self.task.pairs
        try:
            taken = self.model.longest(self._gaps([TextPair("", "") if pairs else ""], self.task)[0])
        except LlmError:
            return None
        room = self.model.window - taken - _SEAM_TOKENS
        return max(1, room // 2 if pairs else room)

    def _ask(self, gaps: Sequence[Gap]) -> np.ndarray:
        return self.model.separate_scores(gaps) if self.task.several else self.model.log_likelihoods(gaps)

    def _log_likelihoods(
        self, texts: list[Text], task: LabellingTask
    ) -> tuple[np.ndarray, dict[int, str], set[int], float]:
        """Log-likelihoods of the texts' words, from the log or from the model.

        Returns:
            Log-likelihoods, `(texts, words)`; position to reason for texts without any; positions of the texts that the
            budget left out; and the seconds that the scores from the log once took.
        """
        gaps = self._gaps(texts, task)
        calls = [self._call(gap) for gap in gaps]
        found = np.zeros((len(texts), len(self.task.words)))
        problems: dict[int, str] = {}
        unasked: set[int] = set()
        missing, seconds = [], 0.0
        # Texts with equal prompts are scored once, so that their figures are equal to the last digit.
        first: dict[str, int] = {}
        for position, call in enumerate(calls):
            if first.setdefault(call.key, position) < position:
                continue
            known = self._log.find(call)
            figures = _logged_figures(known, gaps[position].words)
            if known is None or figures is None:
                missing.append(position)
                continue
            found[position] = figures
            seconds += known.seconds
            self._budget.charge(known.prompt_tokens, 0, known.seconds, from_log=True)
        with track(f"{self.model.name} reads {counted(len(missing), 'text')}", len(missing)) as advance:
            for start in range(0, len(missing), _TEXTS_PER_SLICE):
                part = missing[start : start + _TEXTS_PER_SLICE]
                self._score(self._within_budget(part, problems, unasked), gaps, calls, found, problems)
                advance(len(part))
        for position, call in enumerate(calls):
            scored = first[call.key]
            found[position] = found[scored]
            problems |= {position: problems[scored]} if scored in problems else {}
            unasked |= {position} if scored in unasked else set()
        return found, problems, unasked, seconds

    def _within_budget(self, positions: list[int], problems: dict[int, str], unasked: set[int]) -> list[int]:
        """The positions that the budget allows to score; the others are added to `problems` and `unasked`."""
        allowed = []
        for position in positions:
            try:
                self._budget.take()
                allowed.append(position)
            except BudgetError as error:
                problems[position] = str(error)
                unasked.add(position)
        return allowed

    @staticmethod
    def _gaps(texts: list[Text], task: LabellingTask) -> list[Gap]:
        return [
            Gap(conversation, task.around(text), task.answers, str(text), task.hypothesis)
            for text, conversation in zip(texts, task.conversations(texts), strict=True)
        ]

    def _score(
        self, positions: list[int], gaps: list[Gap], calls: list[Call], found: np.ndarray, problems: dict[int, str]
    ) -> None:
        """Score some gaps together; if one is too long, in halves, so that the others are still scored."""
        if not positions:
            return
        begun = time.perf_counter()
        try:
            # Rounded as in the log, so that figures from the log and from the model are equal.
            scores = self._ask([gaps[position] for position in positions])
            found[positions] = np.round(scores, _DECIMALS)
        except LlmError as error:
            if len(positions) == 1:
                problems[positions[0]] = str(error)
                return
            half = len(positions) // 2
            for part in (positions[:half], positions[half:]):
                self._score(part, gaps, calls, found, problems)
            return
        seconds = (time.perf_counter() - begun) / len(positions)
        for position in positions:
            scored = dict(zip(gaps[position].words, found[position].tolist(), strict=True))
            answer = json.dumps(scored, ensure_ascii=False)
            tokens = self.model.count(gaps[position])
            self._log.add(replace(calls[position], answer=answer, prompt_tokens=tokens, seconds=seconds))
            self._budget.charge(tokens, 0, seconds, from_log=False)

    def _call(self, gap: Gap) -> Call:
        """The call of the log that stands for scoring a gap."""
        what = "each by itself" if self.task.several else "likelihood of"
        asked = json.dumps({what: gap.words}, ensure_ascii=False)
        return Call.to_make(self.model.identity, self.model.reads(gap), asked)


def _logged_figures(known: Call | None, words: Sequence[str]) -> list[float] | None:
    """The log-likelihoods of the words in a logged call; `None` if it has none for exactly these words."""
    try:
        found = parse_json(known.answer) if known and known.answer else None
    except ValueError:
        return None
    if not isinstance(found, dict) or list(found) != list(words):
        return None
    return list(found.values()) if all(isinstance(value, float) for value in found.values()) else None
