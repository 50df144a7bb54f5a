"""Log-likelihoods of given continuations by a decoder, with everything that prompts have in common computed once.

The prefix that all prompts begin with (instructions, examples) is computed once. The rest of many prompts and their
continuations then go through the model as one row of tokens. The attention mask lets each token attend to the prefix,
its own prompt and its own continuation only. So no token is computed twice, and nothing is padded or copied. A plain
forward pass for every pair of prompt and continuation would compute the prefix `prompts * continuations` times.

Source: Miao et al. 2024, "SpecInfer", for attention over a tree of tokens.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.runtime import Runtime

# A kept prefix is reused as long as it lacks at most this many of the tokens that the next prompts have in common.
_NEGLIGIBLE_TOKENS = 16
# Tokens of one forward pass: fewer do not occupy the processor; more mostly add attention that is masked.
_MIN_TOKENS = 512
# How far the log-likelihoods may be from those of plain forward passes: only the order of operations differs.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.3}
_KeysAndValues = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Continuations:
    """A prompt and its possible continuations.

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
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass.

    Attributes:
        tokens_computed: Tokens that went through the model so far.
        shares: Whether the common prefix is computed once; some architectures do not allow it.
    """

    def __init__(self, model: Any, runtime: Runtime, token_budget: int) -> None:
        self._model = model
        self._runtime = runtime
        self._token_budget = token_budget
        self._kept: tuple[tuple[int, ...], _KeysAndValues] | None = None
        self.tokens_computed = 0
        self.shares = self._can_share()
        self.tokens_computed, self._kept = 0, None

    def of(self, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods, `(rows, words)` float64; all rows have the same number of words."""
        if not rows:
            return np.zeros((0, 0))
        return self._with_shared_prefix(rows) if self.shares else self.plain(rows)

    @torch.inference_mode()
    def plain(self, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods by one forward pass for each prompt and word: the reference, and the way without sharing."""
        found = np.empty((len(rows), len(rows[0].words)))
        for row_number, row in enumerate(rows):
            for number, word in enumerate(row.words):
                ids = torch.tensor([[*row.prompt, *word]], device=self._runtime.device)
                self.tokens_computed += ids.numel()
                logits = self._model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 : -1].float()
                picked = logits.log_softmax(-1).gather(1, torch.tensor(word, device=ids.device)[:, None])
                found[row_number, number] = picked.double().sum().item()
        return found

    @torch.inference_mode()
    def _with_shared_prefix(self, rows: Sequence[Continuations]) -> np.ndarray:
        prefix, kept = self._prefix(rows)
        found = np.empty((len(rows), len(rows[0].words)))
        for pack in self._packs(rows, len(prefix)):
            found[pack] = self._forward([rows[position] for position in pack], len(prefix), kept)
        return found

    def _prefix(self, rows: Sequence[Continuations]) -> tuple[tuple[int, ...], _KeysAndValues]:
        """The tokens that all prompts begin with, and their keys and values, which are kept from call to call."""
        first, last = min(row.prompt for row in rows), max(row.prompt for row in rows)
        # At least the last token of each prompt is computed anew: its logits give the first token's likelihood.
        most = min(len(row.prompt) for row in rows) - 1
        shared = next((i for i in range(most) if first[i] != last[i]), most)
        if self._kept is not None:
            known = self._kept[0]
            if shared - _NEGLIGIBLE_TOKENS <= len(known) <= shared and first[: len(known)] == known:
                return self._kept
        if not shared:
            return (), []
        ids = torch.tensor([first[:shared]], device=self._runtime.device)
        self.tokens_computed += shared
        cache = self._model(input_ids=ids, past_key_values=self._cache([]), use_cache=True, logits_to_keep=1)
        self._kept = (first[:shared], [(layer.keys, layer.values) for layer in cache.past_key_values.layers])
        return self._kept

    def _packs(self, rows: Sequence[Continuations], known: int) -> Iterator[list[int]]:
        """Positions of the rows that go through the model in one pass."""
        limit = min(max(known, _MIN_TOKENS), self._token_budget)
        pack: list[int] = []
        tokens = 0
        for position, row in enumerate(rows):
            size = len(row.prompt) - known + sum(len(word) - 1 for word in row.words)
            if pack and tokens + size > limit:
                yield pack
                pack, tokens = [], 0
            pack.append(position)
            tokens += size
        yield pack

    def _forward(self, rows: list[Continuations], known: int, kept: _KeysAndValues) -> np.ndarray:
        """Log-likelihoods of a few rows, `(rows, words)`, by one forward pass after the prefix."""
        tree = _Tree(rows, known)
        self.tokens_computed += len(tree.ids)
        device = self._runtime.device
        output = self._model(
            input_ids=torch.tensor([tree.ids], device=device),
            attention_mask=tree.mask(self._model.dtype).to(device),
            position_ids=torch.tensor([tree.positions], device=device),
            past_key_values=self._cache(kept),
            use_cache=True,
            logits_to_keep=torch.tensor(tree.asked, device=device),
        )
        logs = output.logits[0].float().log_softmax(-1)
        positions, tokens, owners = (torch.tensor(part, device=device) for part in zip(*tree.wanted, strict=True))
        sums = torch.zeros(len(rows) * len(rows[0].words), dtype=torch.float64, device=device)
        sums.index_add_(0, owners, logs[positions, tokens].double())
        found: np.ndarray = sums.view(len(rows), -1).cpu().numpy()
        return found

    def _cache(self, kept: _KeysAndValues) -> Any:
        """A cache of keys and values that holds the prefix."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        for layer, (keys, values) in enumerate(kept):
            cache.update(keys, values, layer)
        return cache

    def _can_share(self) -> bool:
        """Whether the model keeps the keys of all tokens and accepts positions and an attention mask; it is tried.

        Layers with a sliding window or a recurrent state do not: they drop tokens and depend on their order.
        """
        from transformers.cache_utils import DynamicLayer

        layers = self._cache([]).layers
        takes = set(inspect.signature(self._model.forward).parameters)
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            return False
        if not {"position_ids", "logits_to_keep", "past_key_values"} <= takes:
            return False
        words = ((1,), (2, 3), (3, 1, 2))
        rows = [Continuations((1, 2, 3, 4, 2, 1), words), Continuations((1, 2, 3, 1), words)]
        try:
            return bool(
                np.abs(self._with_shared_prefix(rows) - self.plain(rows)).max() < _TOLERANCE[self._runtime.precision]
            )
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError):
            return False


class _Tree:
    """The tokens of several prompts and their words as one row, without the common prefix.

    A word's last token is left out, since its logits are not needed.

    Args:
        rows: The prompts and their words.
        known: Tokens of each prompt that are in the prefix.

    Attributes:
        ids: Token ids.
        positions: The position of each token in its own text, counting the prefix.
        asked: Indices into `ids` of the tokens whose logits are needed.
        wanted: For each token of each word its index into `asked`, its id, and the number of the word among all words.
    """

    def __init__(self, rows: list[Continuations], known: int) -> None:
        self._known = known
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.asked: list[int] = []
        self.wanted: list[tuple[int, int, int]] = []
        # For each token the number of its prompt, and of its word from 1; 0 for a token of the prompt.
        self._prompts: list[int] = []
        self._words: list[int] = []
        for prompt, row in enumerate(rows):
            self._add(row.prompt[known:], known, prompt, 0)
            end = self._ask(len(self.ids) - 1)
            for number, word in enumerate(row.words):
                owner = prompt * len(row.words) + number
                self.wanted.append((end, word[0], owner))
                begin = len(self.ids)
                self._add(word[:-1], len(row.prompt), prompt, number + 1)
                self.wanted += [(self._ask(begin + step), token, owner) for step, token in enumerate(word[1:])]

    def mask(self, dtype: torch.dtype) -> torch.Tensor:
        """The attention mask, `(1, 1, tokens, prefix + tokens)`: 0 where a token attends, else the lowest number."""
        prompts, words = torch.tensor(self._prompts), torch.tensor(self._words)
        same = prompts[:, None] == prompts
        same &= (words == 0) | (words[:, None] == words)
        seen = torch.cat([torch.ones(len(self.ids), self._known, dtype=torch.bool), same.tril()], 1)
        return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)[None, None]

    def _add(self, tokens: Sequence[int], position: int, prompt: int, word: int) -> None:
        self.ids += tokens
        self.positions += range(position, position + len(tokens))
        self._prompts += [prompt] * len(tokens)
        self._words += [word] * len(tokens)

    def _ask(self, index: int) -> int:
        """Ask for the logits of the token at `index`; returns their index into `asked`."""
        self.asked.append(index)
        return len(self.asked) - 1
