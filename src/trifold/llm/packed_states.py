"""Hidden states of many prompts and their words as one row of tokens, after the prefix that all have in common.

The prefix (instructions, examples) is computed once, and its keys and values are kept. The rest of many prompts and
their words then go through the model as one row. The attention mask lets each token attend to the prefix, its own
prompt and its own word only. So no token is computed twice, and no text is padded or copied. Where layers have a
sliding window, the keys of all tokens are kept all the same, and a mask of their own lets each token attend to those
that are near in its text. Prompts that are long behind the prefix, as those with examples of their own, fill a row
each; several rows of like length then go through the model as a batch, so that its weights are read once for all.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from trifold.engines.attention_windows import layer_windows
from trifold.llm.token_tree import Continuations, Pack, branches_of
from trifold.models.batching import by_token_budget
from trifold.runtime import Runtime

# A kept prefix is reused as long as computing the rest with each prompt costs at most this many tokens.
_NEGLIGIBLE_TOKENS = 16
# Tokens of a row: fewer do not occupy the processor; more mostly add attention that is masked.
_PACK_TOKENS = {"cpu": 256}
_PACK_TOKENS_ELSEWHERE = 2_048
# Tokens of the rows of a batch, each with the prefix, whose keys and values are copied for it.
_BATCH_TOKENS = 2_048
# A row is filled up to a multiple of this: oneDNN generates code for every shape.
_MULTIPLE = 32
# For each layer its keys and values, `(1, heads, tokens, width)`; `None` for a layer that has none of its own.
_KeysAndValues = list[tuple[torch.Tensor | None, torch.Tensor | None]]


class PackedStates:
    """Runs a model's body on packs of prompts.

    Args:
        model: A causal language model in evaluation mode.
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass.

    Attributes:
        tokens_computed: Tokens that went through the model so far.

    Raises:
        ValueError: If its layers depend on the order of the row's tokens, as recurrent ones do, or it takes no
            positions.
    """

    def __init__(self, model: Any, runtime: Runtime, token_budget: int) -> None:
        self._body = getattr(model, model.base_model_prefix)
        windows = layer_windows(model.config)
        if windows is None or "position_ids" not in inspect.signature(self._body.forward).parameters:
            raise ValueError("its layers depend on the order of the tokens that they are given")
        self._windows = windows
        self._dtype = model.dtype
        self._device = runtime.device
        self._batch = min(token_budget, _BATCH_TOKENS)
        self._limit = min(token_budget, _PACK_TOKENS.get(runtime.device, _PACK_TOKENS_ELSEWHERE))
        self._most = max(token_budget, _MULTIPLE)
        self._kept: tuple[tuple[int, ...], _KeysAndValues] = ((), [])
        self.tokens_computed = 0

    def of(self, rows: Sequence[Continuations]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Positions of some rows, and the states of their places in the order of `places_of`, `(places, width)`."""
        prefix, kept = self._prefix(rows)
        together = list(self._packs(rows, len(prefix)))
        packs = [Pack([rows[position] for position in some], len(prefix)) for some in together]
        lengths = len(prefix) + np.array([_filled(pack) for pack in packs])
        for batch in by_token_budget(lengths, self._batch):
            states = self._forward([packs[number] for number in batch], kept)[0]
            asked = [theirs[packs[number].asked] for number, theirs in zip(batch, states, strict=True)]
            yield [position for number in batch for position in together[number]], torch.cat(asked)

    def _prefix(self, rows: Sequence[Continuations]) -> tuple[tuple[int, ...], _KeysAndValues]:
        """Tokens that all prompts begin with, and their keys and values, which are kept from call to call."""
        first, last = min(row.prompt for row in rows), max(row.prompt for row in rows)
        # At least the last token of each prompt is computed anew: its logits give the first token's likelihood.
        most = min(len(row.prompt) for row in rows) - 1
        shared = _common(first, last, most)
        usable = _common(first, self._kept[0], shared)
        # What a prompt alone has beyond what is kept is not kept: the next will hardly have it in common.
        if (len(rows) - 1) * (shared - usable) > _NEGLIGIBLE_TOKENS or usable < shared // 2:
            kept = _cropped(self._kept[1], usable)
            while usable < shared:
                end = min(shared, usable + self._most)
                pack = Pack([Continuations(first[:end], ((0,),))], usable)
                usable, kept = end, _cropped(self._forward([pack], kept)[1], end)
            self._kept = first[:shared], kept
        return first[:usable], _cropped(self._kept[1], usable)

    def _packs(self, rows: Sequence[Continuations], known: int) -> Iterator[list[int]]:
        """Positions of the rows that go through the model in one pass."""
        pack: list[int] = []
        tokens = 0
        for position, row in enumerate(rows):
            size = len(row.prompt) - known + len(branches_of(row.words).tokens)
            if pack and tokens + size > self._limit:
                yield pack
                pack, tokens = [], 0
            pack.append(position)
            tokens += size
        yield pack

    def _forward(self, packs: Sequence[Pack], kept: _KeysAndValues) -> tuple[torch.Tensor, _KeysAndValues]:
        """The states of packs after the prefix, `(packs, tokens, width)`, and the keys and values of both."""
        from transformers import DynamicCache

        size = max(map(_filled, packs))
        for pack in packs:
            self.tokens_computed += pack.tokens
            pack.fill(size)
        parts = [pack.masks(self._windows, self._dtype) for pack in packs]
        masks = {kind: torch.cat([part[kind] for part in parts]).to(self._device) for kind in self._windows}
        # Made without the configuration, a cache keeps all tokens, also where a layer attends to a window of them.
        cache = DynamicCache(_for_each(kept, len(packs)))
        states = self._body(
            input_ids=torch.tensor([pack.ids for pack in packs], device=self._device),
            attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
            position_ids=torch.tensor([pack.positions for pack in packs], device=self._device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return states, [(layer.keys, layer.values) for layer in cache.layers]


def _filled(pack: Pack) -> int:
    """The tokens that a pack is filled up to."""
    return -(-pack.tokens // _MULTIPLE) * _MULTIPLE


def _common(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """The number of tokens that both begin with, at most `most`."""
    most = min(most, len(one), len(other))
    return next((index for index in range(most) if one[index] != other[index]), most)


def _for_each(kept: _KeysAndValues, packs: int) -> _KeysAndValues:
    """The prefix's keys and values for each of some packs."""
    return [
        tuple(None if part is None else part.expand(packs, -1, -1, -1) for part in layer)  # type: ignore[misc]
        for layer in kept
    ]


def _cropped(kept: _KeysAndValues, tokens: int) -> _KeysAndValues:
    """The keys and values of the first tokens."""
    return [
        tuple(None if part is None else part[:, :, :tokens] for part in layer)  # type: ignore[misc]
        for layer in kept
    ]
