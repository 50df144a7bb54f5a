"""A masked language model on this machine: it scores words in the gap of a sentence around the text.

Source: Schick and Schütze 2021, "Exploiting Cloze Questions for Few Shot Text Classification and Natural Language
Inference", for cloze and verbalizer.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from trifold.engines.language_head import word_logits
from trifold.errors import LlmError
from trifold.llm.contract import Gap, Scorer
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.batching import by_token_budget
from trifold.models.context_length import context_length
from trifold.models.long_text import cut_text
from trifold.runtime import Runtime


class MaskedModel(Scorer):
    """An encoder with its head for masked words.

    Args:
        name: Its name in the log and in reports.
        files: The model's files.
        model: The model of transformers, in evaluation mode.
        tokenizer: Its fast tokenizer of transformers.
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass.

    Raises:
        LlmError: If the tokenizer has no mask token.
    """

    def __init__(
        self, name: str, files: BackboneFiles, model: Any, tokenizer: Any, runtime: Runtime, token_budget: int
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise LlmError(f"the tokenizer of {name} has no mask token: give another --llm")
        self.name = name
        self.files = files
        self.identity = f"{name} {files.sha256()[:16]} {runtime.precision}"
        self._model = model
        self._tokenizer = tokenizer
        self._runtime = runtime
        self._token_budget = token_budget
        # The special tokens around a text: the first comes before it, the others after it.
        self._around = tokenizer("")["input_ids"]
        self.window = context_length(read_config(files))

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.log_likelihoods`. A word of several tokens gets one mask for each."""
        if not gaps:
            return np.zeros((0, 0))
        words = [self._word(word) for word in gaps[0].words]
        found = np.empty((len(gaps), len(words)))
        for size in {len(word) for word in words}:
            numbers = [number for number, word in enumerate(words) if len(word) == size]
            chosen = torch.tensor([words[number] for number in numbers], device=self._runtime.device)
            found[:, numbers] = self._filled([self._sentence(gap, size) for gap in gaps], size, chosen)
        return found

    def reads(self, gap: Gap) -> str:
        """See `Scorer.reads`."""
        return json.dumps(gap.around)

    def count(self, gap: Gap) -> int:
        """See `Scorer.count`."""
        return len(self._sentence(gap, 1)[0])

    def longest(self, gap: Gap) -> int:
        """See `Scorer.longest`. A word has a mask for each of its tokens."""
        return len(self._sentence(gap, max(len(self._word(word)) for word in gap.words))[0])

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """See `Scorer.cut`."""
        return cut_text(self._tokenizer, text, max_tokens, long_text)

    def _word(self, word: str) -> list[int]:
        ids = self._text_ids(f" {word}")
        if not ids or self._tokenizer.unk_token_id in ids:
            raise LlmError(
                f"{self.name} does not know the word {word!r}: describe the label in words that it knows, "
                "with --label-description"
            )
        return ids

    def _sentence(self, gap: Gap, masks: int) -> tuple[list[int], int]:
        """Token ids of the sentence, and the position of its first mask."""
        before, after = gap.around
        head = [*self._around[:1], *self._text_ids(before.rstrip(" "))]
        ids = [*head, *[self._tokenizer.mask_token_id] * masks, *self._text_ids(after), *self._around[1:]]
        if self.window is not None and len(ids) > self.window:
            raise LlmError(
                f"the text with its gap has {len(ids):,} tokens and {self.name} reads {self.window:,}: give a smaller "
                "--max-length"
            )
        return ids, len(head)

    def _text_ids(self, text: str) -> list[int]:
        """Token ids of a text without special tokens; what looks like one in the text is tokenised as text."""
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(found["input_ids"])

    @torch.inference_mode()
    def _filled(self, sentences: list[tuple[list[int], int]], size: int, words: torch.Tensor) -> np.ndarray:
        """Log-likelihoods of words of `size` tokens in the gaps of sentences.

        Args:
            sentences: Token ids and the position of the first mask of each.
            size: Tokens of each word, and masks of each sentence.
            words: Token ids of the words, `(words, size)`.

        Returns:
            `(sentences, words)` float64.
        """
        device = self._runtime.device
        found = np.empty((len(sentences), len(words)))
        for batch in by_token_budget(np.array([len(ids) for ids, _ in sentences]), self._token_budget):
            chosen = [sentences[position] for position in batch]
            longest = max(len(tokens) for tokens, _ in chosen)
            ids, mask = torch.zeros((2, len(batch), longest), dtype=torch.long)
            for row, (tokens, _) in enumerate(chosen):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                mask[row, : len(tokens)] = 1
            starts = torch.tensor([start for _, start in chosen])
            where = torch.zeros_like(ids, dtype=torch.bool)
            where[torch.arange(len(batch))[:, None], starts[:, None] + torch.arange(size)] = True
            logits = word_logits(self._model, ids.to(device), where.to(device), mask.to(device))
            gaps = logits.unflatten(0, (len(batch), size)).float().log_softmax(-1)
            # (batch, size, vocabulary) to (batch, words): each word's tokens at their own gaps.
            picked = torch.stack([gaps[:, step, words[:, step]] for step in range(size)]).sum(0)
            found[batch] = picked.double().cpu().numpy()
        return found
