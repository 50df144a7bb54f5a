"""A model on this machine that fills gaps: how likely each word is in a sentence around the text.

Source: Schick and Schütze 2021, "Exploiting Cloze Questions for Few Shot Text Classification and Natural Language
Inference", for cloze and verbalizer.
"""

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
        name: As the log and the reports call it.
        files: Of the model.
        model: From transformers, in evaluation mode.
        tokenizer: Its own, a fast one.
        runtime: Where it is.
        token_budget: Tokens of one forward pass.

    Raises:
        LlmError: If the tokenizer has no token for a gap.
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
        # Special tokens stand around any text: the first before it, the others after.
        self._around = tokenizer("")["input_ids"]
        self._window = context_length(read_config(files))

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.log_likelihoods`. A word of several tokens gets as many gaps."""
        if not gaps:
            return np.zeros((0, 0))
        words = [self._word(word) for word in gaps[0].words]
        found = np.empty((len(gaps), len(words)))
        for size in {len(word) for word in words}:
            numbers = [number for number, word in enumerate(words) if len(word) == size]
            chosen = torch.tensor([words[number] for number in numbers], device=self._runtime.device)
            found[:, numbers] = self._filled([self._sentence(gap, size) for gap in gaps], size, chosen)
        return found

    def count(self, gap: Gap) -> int:
        """See `Scorer.count`."""
        return len(self._sentence(gap, 1)[0])

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """See `Scorer.cut`."""
        return cut_text(self._tokenizer, text, max_tokens, long_text)

    def _word(self, word: str) -> list[int]:
        ids = self._plain(f" {word}")
        if not ids or self._tokenizer.unk_token_id in ids:
            raise LlmError(
                f"{self.name} does not know the word {word!r}: describe the label in words that it knows, "
                "with --label-description"
            )
        return ids

    def _sentence(self, gap: Gap, masks: int) -> tuple[list[int], int]:
        """Token ids, and where the first gap is. What looks like a special token in a text is only text."""
        before, after = gap.around
        head = [*self._around[:1], *self._plain(before.rstrip(" "))]
        ids = [*head, *[self._tokenizer.mask_token_id] * masks, *self._plain(after), *self._around[1:]]
        if self._window is not None and len(ids) > self._window:
            raise LlmError(
                f"the text with its gap has {len(ids):,} tokens and {self.name} reads {self._window:,}: give a smaller "
                "--max-length"
            )
        return ids, len(head)

    def _plain(self, text: str) -> list[int]:
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(found["input_ids"])

    @torch.inference_mode()
    def _filled(self, sentences: list[tuple[list[int], int]], size: int, words: torch.Tensor) -> np.ndarray:
        """Log-likelihoods of words of `size` tokens, `(sentences, words)`."""
        device = self._runtime.device
        found = np.empty((len(sentences), len(words)))
        for batch in by_token_budget(np.array([len(ids) for ids, _ in sentences]), self._token_budget):
            longest = max(len(sentences[place][0]) for place in batch)
            ids, mask = torch.zeros((2, len(batch), longest), dtype=torch.long)
            for row, place in enumerate(batch):
                ids[row, : len(sentences[place][0])] = torch.tensor(sentences[place][0])
                mask[row, : len(sentences[place][0])] = 1
            starts = torch.tensor([sentences[place][1] for place in batch])
            where = torch.zeros_like(ids, dtype=torch.bool)
            where[torch.arange(len(batch))[:, None], starts[:, None] + torch.arange(size)] = True
            logits = word_logits(self._model, ids.to(device), where.to(device), mask.to(device))
            gaps = logits.unflatten(0, (len(batch), size)).float().log_softmax(-1)
            # (batch, size, vocabulary) to (batch, words): each word's tokens at their own gaps.
            picked = torch.stack([gaps[:, step, words[:, step]] for step in range(size)]).sum(0)
            found[batch] = picked.double().cpu().numpy()
        return found
