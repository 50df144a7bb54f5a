"""How likely a decoder finds each of a few continuations, with everything that prompts share computed once.

Three levels: the prefix that all prompts begin with (instructions, examples) once; each prompt's own rest (its text)
once; each continuation's own tokens. A plain forward for every pair of prompt and continuation would compute the first
level `prompts * continuations` times.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.backbone.batches import by_token_budget
from trifold.runtime import Runtime

# A kept prefix serves as long as it lacks so few of the tokens that the next prompts share.
_RESPECTED_TOKENS = 16
# Attention over what is kept costs so much less than computing it.
_KEPT_TOKEN_COST = 0.125


@dataclass(frozen=True)
class Continuations:
    """A prompt with what may follow.

    Attributes:
        prompt: Token ids, at least one.
        words: Token ids of each continuation, at least one each.
    """

    prompt: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]


class Likelihoods:
    """Scores continuations with one model.

    Args:
        model: A causal language model in evaluation mode.
        runtime: Where it is.
        token_budget: Tokens of one forward pass.

    Attributes:
        tokens_computed: Tokens, padding left out, that went through the model so far.
    """

    def __init__(self, model: Any, runtime: Runtime, token_budget: int) -> None:
        self._model = model
        self._runtime = runtime
        self._token_budget = token_budget
        self._takes = set(inspect.signature(model.forward).parameters)
        self._kept: tuple[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]] | None = None
        self.tokens_computed = 0
        self.shares = self._can_share()

    @torch.inference_mode()
    def of(self, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods, `(rows, words)` float64; every row has as many words."""
        if not rows:
            return np.zeros((0, 0))
        if not self.shares:
            return self.plain(rows)
        prefix, cache = self._prefix(rows)
        lengths = np.array([len(row.prompt) - len(prefix) for row in rows])
        found = np.empty((len(rows), len(rows[0].words)))
        cost = (lengths + len(prefix) * _KEPT_TOKEN_COST).astype(np.int64)
        for batch in by_token_budget(cost, self._token_budget):
            found[batch] = self._batch([rows[place] for place in batch], len(prefix), cache)
        return found

    @torch.inference_mode()
    def plain(self, rows: Sequence[Continuations]) -> np.ndarray:
        """The same by a forward pass for each prompt and word: for models whose memory of a prefix is not plain."""
        found = np.empty((len(rows), len(rows[0].words)))
        for place, row in enumerate(rows):
            for number, word in enumerate(row.words):
                ids = torch.tensor([[*row.prompt, *word]], device=self._runtime.device)
                self.tokens_computed += ids.numel()
                logits = self._model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 : -1].float()
                found[place, number] = _picked(logits, torch.tensor(word, device=ids.device)).sum().item()
        return found

    def _prefix(self, rows: Sequence[Continuations]) -> tuple[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]]:
        """What all prompts begin with, and the keys and values of it, kept from call to call."""
        first, last = min(row.prompt for row in rows), max(row.prompt for row in rows)
        # Of each prompt at least its last token is computed anew: the first word's likelihood comes from there.
        most = min(len(row.prompt) for row in rows) - 1
        shared = next((i for i in range(most) if first[i] != last[i]), most)
        if self._kept is not None:
            known = self._kept[0]
            if shared - _RESPECTED_TOKENS <= len(known) <= shared and first[: len(known)] == known:
                return self._kept
        prefix = first[:shared]
        if not prefix:
            return (), []
        ids = torch.tensor([prefix], device=self._runtime.device)
        self.tokens_computed += len(prefix)
        cache = self._forward(ids, torch.ones_like(ids), 0, self._new_cache([], 1)).past_key_values
        self._kept = (prefix, [(layer.keys, layer.values) for layer in cache.layers])
        return self._kept

    def _batch(
        self, rows: list[Continuations], known: int, kept: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> np.ndarray:
        """Log-likelihoods of a few rows, `(rows, words)`."""
        device = self._runtime.device
        rests = [row.prompt[known:] for row in rows]
        longest = max(map(len, rests))
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.ones((len(rows), known + longest), dtype=torch.long)
        for place, rest in enumerate(rests):
            # Padded on the left, so that all rows end at the same place.
            ids[place, longest - len(rest) :] = torch.tensor(rest)
            mask[place, known : known + longest - len(rest)] = 0
        self.tokens_computed += sum(map(len, rests))
        output = self._forward(ids.to(device), mask.to(device), 1, self._new_cache(kept, len(rows)))
        after_prompt = output.logits[:, -1].float().log_softmax(-1)
        firsts = torch.tensor([[word[0] for word in row.words] for row in rows], device=device)
        found = after_prompt.gather(1, firsts).double()
        longer = [number for number in range(len(rows[0].words)) if any(len(row.words[number]) > 1 for row in rows)]
        if longer:
            found[:, longer] += self._rests(rows, longer, mask, output.past_key_values)
        result: np.ndarray = found.cpu().numpy()
        return result

    def _rests(self, rows: list[Continuations], numbers: list[int], mask: torch.Tensor, cache: Any) -> torch.Tensor:
        """Log-likelihoods of what comes after the words' first tokens, `(rows, len(numbers))`."""
        device = self._runtime.device
        words = [row.words[number] for row in rows for number in numbers]
        longest = max(map(len, words)) - 1
        given, wanted = torch.zeros((2, len(words), longest), dtype=torch.long)
        counted = torch.zeros((len(words), longest), dtype=torch.bool)
        for place, word in enumerate(words):
            given[place, : len(word) - 1] = torch.tensor(word[:-1])
            wanted[place, : len(word) - 1] = torch.tensor(word[1:])
            counted[place, : len(word) - 1] = True
        self.tokens_computed += int(counted.sum())
        whole = torch.cat([mask.repeat_interleave(len(numbers), 0), counted.long()], 1).to(device)
        cache.batch_repeat_interleave(len(numbers))
        logits = self._forward(given.to(device), whole, longest, cache).logits[:, -longest:].float()
        picked = _picked(logits, wanted.to(device)).masked_fill(~counted.to(device), 0.0)
        return picked.double().sum(1).view(len(rows), len(numbers))

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, kept_logits: int, cache: Any) -> Any:
        """The model on `ids`, which stand at the end of what `mask` covers; positions count real tokens only."""
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        options = {"logits_to_keep": max(1, kept_logits)} if "logits_to_keep" in self._takes else {}
        return self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **options
        )

    def _new_cache(self, kept: list[tuple[torch.Tensor, torch.Tensor]], rows: int) -> Any:
        """A cache that begins with the prefix, for so many rows; the prefix itself is not copied for them."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        for layer, (keys, values) in enumerate(kept):
            cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
        return cache

    def _can_share(self) -> bool:
        """Whether each layer keeps the keys and values of all tokens, and positions can be told.

        Layers with a sliding window or a recurrent state forget, and count padding as tokens.
        """
        from transformers.cache_utils import DynamicLayer

        layers = self._new_cache([], 1).layers
        return bool(layers) and all(type(layer) is DynamicLayer for layer in layers) and "position_ids" in self._takes


def _picked(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The log-probability of each token, by the logits at its place."""
    return logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
