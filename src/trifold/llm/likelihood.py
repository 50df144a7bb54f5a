"""How likely a decoder finds each of a few continuations, with everything that prompts share computed once.

The prefix that all prompts begin with (instructions, examples) is computed once. The rest of many prompts and their
continuations then go through the model as one row of tokens, in which each sees the prefix, its own prompt and its own
continuation, and nothing else: no token is computed twice, and nothing is padded or copied. A plain forward for every
pair of prompt and continuation would compute the prefix `prompts * continuations` times.

Source: Miao et al. 2024, "SpecInfer", for attention over a tree of tokens.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.runtime import Runtime

# A kept prefix serves as long as it lacks no more than so many of the tokens that the next prompts share.
_NEGLIGIBLE_TOKENS = 16
# Tokens of one forward pass: fewer waste the processor, more mostly compare texts that must not see each other.
_FEWEST_TOKENS = 512
# Figures of the tree against those of plain forward passes: only the order of operations may differ.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.3}
_KeysAndValues = list[tuple[torch.Tensor, torch.Tensor]]


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
        tokens_computed: Tokens that went through the model so far.
        shares: Whether what is shared is computed once; some architectures do not let it.
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
        """Log-likelihoods, `(rows, words)` float64; every row has as many words."""
        if not rows:
            return np.zeros((0, 0))
        return self._shared(rows) if self.shares else self.plain(rows)

    @torch.inference_mode()
    def plain(self, rows: Sequence[Continuations]) -> np.ndarray:
        """The same by a forward pass for each prompt and word: the reference, and for models that cannot share."""
        found = np.empty((len(rows), len(rows[0].words)))
        for place, row in enumerate(rows):
            for number, word in enumerate(row.words):
                ids = torch.tensor([[*row.prompt, *word]], device=self._runtime.device)
                self.tokens_computed += ids.numel()
                logits = self._model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 : -1].float()
                picked = logits.log_softmax(-1).gather(1, torch.tensor(word, device=ids.device)[:, None])
                found[place, number] = picked.double().sum().item()
        return found

    @torch.inference_mode()
    def _shared(self, rows: Sequence[Continuations]) -> np.ndarray:
        prefix, kept = self._prefix(rows)
        found = np.empty((len(rows), len(rows[0].words)))
        for places in self._packs(rows, len(prefix)):
            found[places] = self._forward([rows[place] for place in places], len(prefix), kept)
        return found

    def _prefix(self, rows: Sequence[Continuations]) -> tuple[tuple[int, ...], _KeysAndValues]:
        """What all prompts begin with, and the keys and values of it, kept from call to call."""
        first, last = min(row.prompt for row in rows), max(row.prompt for row in rows)
        # Of each prompt at least its last token is computed anew: the first word's likelihood comes from there.
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
        """Positions of the rows that go through the model together."""
        limit = min(max(known, _FEWEST_TOKENS), self._token_budget)
        pack: list[int] = []
        tokens = 0
        for place, row in enumerate(rows):
            size = len(row.prompt) - known + sum(len(word) - 1 for word in row.words)
            if pack and tokens + size > limit:
                yield pack
                pack, tokens = [], 0
            pack.append(place)
            tokens += size
        yield pack

    def _forward(self, rows: list[Continuations], known: int, kept: _KeysAndValues) -> np.ndarray:
        """Log-likelihoods of a few rows, `(rows, words)`, in one pass behind the prefix."""
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
        places, tokens, owners = (torch.tensor(part, device=device) for part in zip(*tree.wanted, strict=True))
        sums = torch.zeros(len(rows) * len(rows[0].words), dtype=torch.float64, device=device)
        sums.index_add_(0, owners, logs[places, tokens].double())
        found: np.ndarray = sums.view(len(rows), -1).cpu().numpy()
        return found

    def _cache(self, kept: _KeysAndValues) -> Any:
        """A cache that begins with the prefix."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        for layer, (keys, values) in enumerate(kept):
            cache.update(keys, values, layer)
        return cache

    def _can_share(self) -> bool:
        """Whether the model keeps keys and values of all tokens, can be told positions and who sees whom; it is tried.

        Layers with a sliding window or a recurrent state forget, and go by the order of tokens.
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
            return bool(np.abs(self._shared(rows) - self.plain(rows)).max() < _TOLERANCE[self._runtime.precision])
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError):
            return False


class _Tree:
    """Prompts' own tokens and their words' as one row.

    A word's last token is not read: nothing that follows it is asked for.

    Args:
        rows: The prompts.
        known: Tokens of each prompt that are in the prefix.

    Attributes:
        ids: Token ids.
        positions: Of each in its own text, the prefix included.
        asked: Places in `ids` whose logits are needed.
        wanted: For each token of each word: its place among `asked`, its id, and the word's number of all.
    """

    def __init__(self, rows: list[Continuations], known: int) -> None:
        self._known = known
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.asked: list[int] = []
        self.wanted: list[tuple[int, int, int]] = []
        # Of each token the prompt it belongs to, and the word; 0 for the prompt itself.
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
        """Who sees whom, `(1, 1, tokens, prefix + tokens)`: 0 where one does, a huge negative number where not."""
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

    def _ask(self, place: int) -> int:
        self.asked.append(place)
        return len(self.asked) - 1
