"""A causal language model on this machine: it writes answers, and scores the likelihood of given words."""

import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from jinja2 import TemplateError

from trifold.errors import BackboneError, LlmError
from trifold.llm.contract import Answer, Gap, NoRoomError, OnText, Sampling, Scorer, TextGenerator
from trifold.llm.held_answers import HeldAnswers
from trifold.llm.label_lines import line_odds, scored_lines
from trifold.llm.likelihood import Likelihoods
from trifold.llm.prompt_template import Conversation, Message
from trifold.llm.token_tree import Continuations
from trifold.llm.word_tokens import WordTokens
from trifold.models.answer_length import reason_against
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batched_generation import continue_prompts
from trifold.models.long_text import cut_text
from trifold.models.text_generation import Decoding, model_context
from trifold.runtime import Runtime


class CausalModel(TextGenerator, Scorer):
    """A decoder with its tokenizer.

    Args:
        name: Its name in the log and in reports.
        files: The model's files.
        model: The model of transformers, in evaluation mode.
        tokenizer: Its fast tokenizer of transformers.
        runtime: Device and precision.
        token_budget: Tokens of one forward pass.

    Attributes:
        window: The most tokens that it reads; `None` if that is unknown.
    """

    batches = True

    def __init__(
        self, name: str, files: BackboneFiles, model: Any, tokenizer: Any, runtime: Runtime, token_budget: int
    ) -> None:
        self.name = name
        self.files = files
        self.model = model
        self.tokenizer = tokenizer
        self.identity = f"{name} {files.sha256()[:16]} {runtime.precision}"
        self.window = _window(model, tokenizer)
        self._runtime, self._token_budget = runtime, token_budget
        self._held = HeldAnswers(name, model, tokenizer)
        self.likelihoods = Likelihoods(model, runtime, token_budget)
        self._word_tokens = WordTokens(self.tokens, partial(self._require_room, asked=0))
        # Tokens of the prompts that are being scored, which are counted next.
        self._counted: dict[Conversation, int] = {}

    @property
    def counts_exactly(self) -> bool:
        """See `TextGenerator.counts_exactly`."""
        return True

    def shown(self, conversation: Conversation) -> str:
        """See `TextGenerator.shown`. Made by the model's chat template; without one, plain paragraphs."""
        if not self.tokenizer.chat_template:
            return _paragraphs(conversation)
        try:
            return self._templated(conversation)
        except (TemplateError, ValueError, TypeError) as error:
            # Some templates raise an error if there is a system message: it is joined to the first user message.
            if conversation[0].role != "system" or len(conversation) < 2:
                raise LlmError(f"the chat template of {self.name} refuses this conversation ({error})") from None
            first = Message("user", f"{conversation[0].content}\n\n{conversation[1].content}")
            return self.shown((first, *conversation[2:]))

    @property
    def is_untaught(self) -> bool:
        """Whether it has no chat template: a base model, taught to go on with text and never to answer."""
        return not self.tokenizer.chat_template

    def names_role(self, role: str) -> bool:
        """Whether the chat template treats a role in a way of its own."""
        return bool(re.search(rf"['\"]{role}['\"]", str(self.tokenizer.chat_template or "")))

    def answer_opening(self, conversation: Conversation) -> str:
        """What the chat template writes behind `shown` where the model is not to think first; often nothing."""
        if "enable_thinking" not in str(self.tokenizer.chat_template or ""):
            return ""
        shown, whole = self.shown(conversation), self._templated(conversation, enable_thinking=False)
        return whole.removeprefix(shown) if whole.startswith(shown) else ""

    def _templated(self, conversation: Conversation, **options: object) -> str:
        turns = [vars(message) for message in conversation]
        return str(self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **options))

    def tokens(self, conversation: Conversation, word: str = "", *, strip: bool = False) -> list[int]:
        """Token ids of a conversation.

        The chat template's control tokens become control tokens. What looks like one in a message (`</s>`,
        `<|im_start|>`) is tokenised as text.

        Args:
            conversation: The messages.
            word: Text to append.
            strip: Whether spaces at the end are removed.

        Raises:
            LlmError: If a message holds what looks like a control token, and the template changes messages so that they
                cannot be told from the template's own text.
        """
        text = self.shown(conversation) + word
        text = text.rstrip(" ") if strip else text
        if not self.tokenizer.chat_template:
            return self._ids(text, plain=True, whole=True)
        said = "\n".join([*(message.content for message in conversation), word])
        if self._ids(said) == self._ids(said, plain=True):
            return self._ids(text)
        found: list[int] = []
        plain = ""
        for part, is_message in [*self._parts(conversation), (word, True)]:
            # As the tokenizer does it: the text between two control tokens is tokenised as one piece.
            pieces = [part] if is_message else self._control_tokens.split(part)
            for number, piece in enumerate(pieces):
                if number % 2:
                    found += [*self._ids(plain, plain=True), *self._ids(piece)]
                    plain = ""
                else:
                    plain += piece
        return found + self._ids(plain.rstrip(" ") if strip else plain, plain=True)

    def _ids(self, text: str, *, plain: bool = False, whole: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            text: Any text.
            plain: Whether control tokens in it are tokenised as text.
            whole: Whether the special tokens that the tokenizer puts around a text are added.
        """
        with warnings.catch_warnings():
            # The tokenizer warns of long texts; we check the length ourselves.
            warnings.simplefilter("ignore")
            found = self.tokenizer(text, add_special_tokens=whole, split_special_tokens=plain, verbose=False)
        return list(found["input_ids"])

    @cached_property
    def _control_tokens(self) -> re.Pattern[str]:
        names = [re.escape(one.content) for one in self.tokenizer.added_tokens_decoder.values() if one.special]
        return re.compile(f"({'|'.join(sorted(names, key=len, reverse=True))})")

    def _parts(self, conversation: Conversation) -> Iterator[tuple[str, bool]]:
        """The parts of the text that is sent, and for each whether it is a message's content.

        The template is filled in with numbered marks instead of messages, which shows where the messages are.
        """
        left = self.shown(conversation)
        marked = tuple(replace(turn, content=f"\ue000{number}\ue001") for number, turn in enumerate(conversation))
        parts = re.split("\ue000(\\d+)\ue001", self.shown(marked))
        for number, part in enumerate(parts):
            content = conversation[int(part)].content if number % 2 else part
            # Most templates strip the white space around a message.
            known = next((one for one in (content, content.strip()) if left.startswith(one)), None)
            if known is None:
                break
            yield known, bool(number % 2)
            left = left[len(known) :]
        if left:
            raise LlmError(
                f"a text holds what {self.name} reads as a control token, and its chat template changes texts so that "
                "they cannot be told from its own marks: take the control token out of the text"
            )

    def count_tokens(self, conversation: Conversation) -> int:
        """See `TextGenerator.count_tokens`."""
        return len(self.tokens(conversation))

    def room(self, conversation: Conversation, asked: int | None) -> int:
        """See `TextGenerator.room`."""
        tokens = self.count_tokens(conversation)
        self._require_room(tokens, asked)
        most = super().room(conversation, asked)
        return most if self.window is None else min(most, self.window - tokens)

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `TextGenerator.complete`."""
        ((_, answer),) = self._answers([(conversation, sampling)], on_text)
        if isinstance(answer, LlmError):
            raise answer
        return answer

    def complete_many(self, asked: Sequence[tuple[Conversation, Sampling]]) -> Iterator[tuple[int, Answer | LlmError]]:
        """See `TextGenerator.complete_many`. Prompts of similar length go on together; a batch's time is shared out."""
        return self._answers(asked)

    def _answers(
        self, asked: Sequence[tuple[Conversation, Sampling]], on_text: OnText | None = None
    ) -> Iterator[tuple[int, Answer | LlmError]]:
        prompts = [(self.tokens(one, strip=True), self._decoding(one, sampling)) for one, sampling in asked]
        begun = time.perf_counter()
        batches = continue_prompts(self.model, self.name, prompts, self._decode, self._token_budget, on_text)
        while True:
            with warnings.catch_warnings():
                # transformers warns of settings in generation_config.json that do not apply without sampling.
                warnings.simplefilter("ignore")
                batch = next(batches, None)
            if batch is None:
                return
            seconds = (time.perf_counter() - begun) / len(batch)
            for number, written in batch:
                if isinstance(written, BackboneError):
                    yield number, LlmError(str(written))
                else:
                    yield number, Answer(written.text, len(prompts[number][0]), written.tokens, seconds)
            begun = time.perf_counter()

    def _decoding(self, conversation: Conversation, sampling: Sampling) -> Decoding:
        return Decoding(
            max_new_tokens=self.room(conversation, sampling.max_tokens),
            temperature=sampling.temperature,
            stop=sampling.stop,
            form=self._held.form(sampling),
            seed=sampling.vote,
            pad_id=self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else None,
        )

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.log_likelihoods`. The beginning that all prompts have in common is computed once."""
        self._counted.clear()
        return self.likelihoods.of([self.continuations(gap) for gap in gaps])

    def separate_scores(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.separate_scores`. A label's line with yes beside that with no, as if it were the first."""
        lines = [replace(gap, words=scored_lines(gap.words)) for gap in gaps]
        return line_odds(self.log_likelihoods(lines)) if gaps else np.zeros((0, 0))

    def continuations(self, gap: Gap) -> Continuations:
        """A gap's prompt and words as token ids.

        Raises:
            LlmError: If they are longer than the model's context.
        """
        found, self._counted[gap.conversation] = self._word_tokens.of(gap)
        self._require_room(len(found.prompt) + max(map(len, found.words)), 0)
        return found

    def count(self, gap: Gap) -> int:
        """See `Scorer.count`."""
        counted = self._counted.get(gap.conversation)
        return self.count_tokens(gap.conversation) if counted is None else counted

    def word_lengths(self, gap: Gap) -> list[int]:
        """See `Scorer.word_lengths`."""
        return [len(word) for word in self.continuations(gap).words]

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """See `Scorer.cut`."""
        return cut_text(self.tokenizer, text, max_tokens, long_text)

    def _require_room(self, tokens: int, asked: int | None) -> None:
        if reason := reason_against(self.name, tokens, asked, self.window, "--max-tokens"):
            raise NoRoomError(reason)


def _window(model: Any, tokenizer: Any) -> int | None:
    """The most tokens that the model reads. Tokenizers that do not know it say a huge number."""
    limits = [model_context(model), tokenizer.model_max_length]
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 1 << 30]
    return min(known, default=None)


def _paragraphs(conversation: Conversation) -> str:
    """A conversation as plain paragraphs, for models without a chat template."""
    parts = []
    for message in conversation:
        after = {"system": "\n\n", "assistant": "\n\n"}.get(
            message.role, " " if message.content.endswith(":") else "\n"
        )
        parts.append(message.content + after)
    return "".join(parts)
