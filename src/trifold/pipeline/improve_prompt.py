"""Better prompts by trying: a model writes candidates from what went wrong, validation rows decide, test rows wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from trifold.data.settings import DataSettings
from trifold.errors import BudgetError, DataError, LlmError
from trifold.events import say
from trifold.llm.contract import FatalLlmError, NoRoomError, Sampling, Scorer
from trifold.llm.cost_estimate import Estimate
from trifold.llm.few_shot import choose_balanced
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import Labeller, LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.prompt_template import Conversation, Example, Prompt
from trifold.llm.prompt_writer import ask_for_instructions, read_instructions
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.settings import LabelSettings
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.pipeline.prompt_files import Session
from trifold.pipeline.request import Request, open_task
from trifold.tasks.labels import LabelMap
from trifold.terminal import printable
from trifold.types import Examples, single_texts

_SEED = 42
_EXAMPLES = (2, 4, 8)
# Attempts that are all the likeliest answer would all be the same.
_WRITING_TEMPERATURE = 0.8


@dataclass(frozen=True)
class Candidate:
    """A prompt with its score.

    Attributes:
        name: Where it came from.
        prompt: The prompt.
        right: Validation rows that it labels rightly.
        rows: Validation rows that it was tried on.
    """

    name: str
    prompt: Prompt
    right: int
    rows: int


@dataclass(frozen=True)
class Improvement:
    """What was tried.

    Attributes:
        before: The prompt as it was.
        best: What did best; the earlier one of equals.
        tried: All, in their order.
    """

    before: Candidate
    best: Candidate
    tried: tuple[Candidate, ...] = field(default=())


class Improving:
    """A prompt with the rows that it is tried on.

    Args:
        prompt: To start from.
        data: File with texts and labels.
        reading: How it is read and split.
        described: What the prompt calls the labels.
        llm: Who labels, and writes candidates.
        compute: How it is run, where its weights are here.
        rows: Rows of the validation part, and of the training part, that are used.

    Raises:
        TrifoldError: If anything given cannot be used.
    """

    def __init__(
        self,
        prompt: Prompt,
        data: Path,
        reading: DataSettings,
        described: LabelSettings,
        llm: LlmSettings,
        compute: ComputeSettings,
        rows: int,
    ) -> None:
        backbone = BackboneSettings(**vars(compute))
        task = open_task(Request(data, reading=reading, backbone=backbone))
        if task.data.examples.multi_label:
            raise DataError("rows have several labels here, and improving goes by one: give data with one label a row")
        self._labels = LabelMap.of(task.data.examples.labels)
        self._prompt, self._words = word_labels(prompt, self._labels, described.described())
        self._session = Session(llm, compute)
        self._train = _some(task.split.train, rows)
        self._validation = _some(task.split.validation, rows)
        self._train_texts, self._validation_texts = (single_texts(p.texts) for p in (self._train, self._validation))
        self._max_length = backbone.max_length

    def expect(self, candidates: int) -> Estimate:
        """What `run` would cost: as if each candidate were as long as the prompt is now."""
        labeller = self._labeller(self._prompt)
        total = labeller.expect(self._train_texts)
        scoring = labeller.expect(self._validation_texts)
        for _ in range(1 + candidates + len(_EXAMPLES)):
            total += scoring
        mistakes = [(text, "", "") for text in self._train_texts]
        for number in range(1, candidates + 1):
            total += self._session.client.expect([(self._request(mistakes, number), self._writing(number))])
        return total

    def run(self, candidates: int) -> Improvement:
        """Score the prompt, then instructions that the model writes, then the best of them with examples.

        Raises:
            BudgetError: If the budget does not even reach for the prompt as it is.
            LlmError: If the model cannot be used, or has no room for the request to write instructions.
        """
        if candidates:
            try:
                self._session.client.model.room(self._request([], 1), self._writing(1).max_tokens)
            except NoRoomError as error:
                raise error.but("use a model that reads more, or try examples alone by --candidates 0") from None
        before = self._score("as it is", self._prompt)
        tried = [before]
        try:
            mistakes = self._mistakes()
            for number in range(1, candidates + 1):
                lines = self._instructions(mistakes, number)
                if not lines:
                    continue
                tried.append(self._score(f"instructions, attempt {number}", replace(self._prompt, instructions=lines)))
            best = max(tried, key=lambda one: one.right).prompt
            for count in _EXAMPLES:
                one = self._score(f"the best so far with {count} examples", self._with_examples(best, count))
                tried.append(one)
        except BudgetError as error:
            say(f"note: {error}; the best of what was tried until then is kept")
        return Improvement(before, max(tried, key=lambda one: one.right), tuple(tried))

    def _instructions(self, mistakes: Sequence[tuple[str, str, str]], number: int) -> tuple[str, ...]:
        """Instructions that the model writes; none where its answer holds none or cannot be had, which is said."""
        try:
            answer = self._session.ask_unread(self._request(mistakes, number), self._writing(number))
        except (BudgetError, FatalLlmError):
            raise
        except LlmError as error:
            say(printable(f"note: attempt {number} at new instructions is left out: {error}"))
            return ()
        lines = read_instructions(answer.text)
        if not lines:
            say(f"attempt {number} at new instructions holds none")
        return lines

    def _score(self, name: str, prompt: Prompt) -> Candidate:
        found = self._labeller(prompt).judge(self._validation_texts)
        if found.unasked:
            raise BudgetError(found.problems[min(found.unasked)])
        answered = np.array([place not in found.problems for place in range(len(self._validation))])
        if not answered.any():
            raise LlmError(f"no row can be labelled: {next(iter(found.problems.values()))}")
        truth = self._labels.encode(self._validation.labels)
        right = int(((found.logits.argmax(1) == truth) & answered).sum())
        say(f"{right} of {len(truth)} validation rows right: {name}")
        return Candidate(name, prompt, right, len(truth))

    def _mistakes(self) -> list[tuple[str, str, str]]:
        """Training rows that the prompt gets wrong, as text, answer and right answer."""
        found = self._labeller(self._prompt).judge(self._train_texts)
        if found.unasked:
            raise BudgetError(found.problems[min(found.unasked)])
        truth, said = self._labels.encode(self._train.labels), found.logits.argmax(1)
        return [
            (text, found.problems.get(place) or self._words[said[place]], self._words[truth[place]])
            for place, text in enumerate(self._train_texts)
            if place in found.problems or said[place] != truth[place]
        ]

    def _request(self, mistakes: Sequence[tuple[str, str, str]], number: int) -> Conversation:
        return ask_for_instructions(self._prompt, mistakes, len(self._train), number)

    def _writing(self, number: int) -> Sampling:
        settings = self._session.settings
        return Sampling(settings.max_tokens, settings.temperature or _WRITING_TEMPERATURE, vote=number)

    def _with_examples(self, prompt: Prompt, count: int) -> Prompt:
        variable = prompt.text_variable()
        chosen = self._train.take(choose_balanced(self._train, count, _SEED))
        classes = self._labels.encode(chosen.labels).tolist()
        rows = zip(single_texts(chosen.texts), classes, strict=True)
        more = [Example({variable: text}, self._words[number]) for text, number in rows]
        return replace(prompt, examples=(*prompt.examples, *more))

    def _labeller(self, prompt: Prompt) -> Labeller:
        client = self._session.client
        task = LabellingTask(prompt, self._words, PromptingSettings().cloze)
        if isinstance(client.model, Scorer):
            task = replace(task, max_length=self._max_length)
            return LikelihoodLabeller(client.model, task, client.log, client.budget)
        return GenerationLabeller(client, task, sampling=self._session.sampling)


def _some(part: Examples, rows: int) -> Examples:
    """At most so many rows, any of them."""
    chosen = np.random.default_rng(_SEED).permutation(len(part))[:rows]
    return part.take(sorted(chosen.tolist()))
