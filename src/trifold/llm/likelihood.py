"""Log-likelihoods of given continuations by a decoder, with everything that prompts have in common computed once.

Two ways lead to the hidden states that they are read from: many prompts as one row of tokens after their common prefix,
and, for models that cannot do that, batches of whole texts. Logits are computed at the places that are asked for and
nowhere else, so that words of one token cost no more than the prompt itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from trifold.engines.attention_windows import longest_of_one_kind
from trifold.engines.bare_head import BareHead
from trifold.llm.batched_states import BatchedStates
from trifold.llm.packed_states import PackedStates
from trifold.llm.token_tree import Continuations
from trifold.llm.word_scores import PLACES, word_scores
from trifold.runtime import Runtime

# How far the log-likelihoods may be from those of plain forward passes: only the order of operations differs.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.3}
# What a model may raise that does not take what another does.
_REFUSALS = (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError, NotImplementedError)


class Likelihoods:
    """Scores continuations with one model.

    Args:
        model: A causal language model in evaluation mode.
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass.

    Attributes:
        tokens_computed: Tokens that went through the model so far, padding left out.
    """

    def __init__(self, model: Any, runtime: Runtime, token_budget: int) -> None:
        self._model = model
        self._runtime = runtime
        self._token_budget = token_budget
        # Beyond this length a text's positions depend on what it is computed with.
        self._longest = longest_of_one_kind(model.config)
        self.tokens_computed = 0

    @property
    def shares(self) -> bool:
        """Whether the common prefix is computed once; some architectures do not allow it."""
        return isinstance(self._way, PackedStates)

    def of(self, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods, `(rows, words)` float64; all rows have the same number of words."""
        if not rows:
            return np.zeros((0, 0))
        longest = max(len(row.prompt) + len(word) for row in rows for word in row.words)
        if self._way is None or (self._longest is not None and longest > self._longest):
            return self.plain(rows)
        return self._by(self._way, rows)

    @torch.inference_mode()
    def plain(self, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods by one forward pass for each prompt and word: the reference, and the last resort."""
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
    def _by(self, way: PackedStates | BatchedStates, rows: Sequence[Continuations]) -> np.ndarray:
        """Log-likelihoods by one of the ways, with the head computed for many rows at once."""
        found = np.empty((len(rows), len(rows[0].words)))
        before = way.tokens_computed
        for some, states in _joined(way.of(rows), PLACES):
            found[some] = word_scores(self._head, states, [rows[position] for position in some])
        self.tokens_computed += way.tokens_computed - before
        return found

    @cached_property
    def _way(self) -> PackedStates | BatchedStates | None:
        """The quickest way that gives the likelihoods of plain forward passes; each is tried on two short prompts."""
        computed, chosen = self.tokens_computed, None
        words = ((1,), (2, 3), (3, 1, 2), (2, 3, 1))
        rows = [Continuations((1, 2, 3, 4, 2, 1), words), Continuations((1, 2, 3, 1), words)]
        expected = self.plain(rows)
        for kind in (PackedStates, BatchedStates):
            try:
                way = kind(self._model, self._runtime, self._token_budget)
                near = np.abs(self._by(way, rows) - expected).max() < _TOLERANCE[self._runtime.precision]
            except _REFUSALS:
                continue
            if near:
                chosen = way
                break
        self.tokens_computed = computed
        return chosen

    @cached_property
    def _head(self) -> BareHead:
        return BareHead(self._model)


def _joined(parts: Iterable[tuple[list[int], torch.Tensor]], most: int) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Rows' positions and states, joined until there are at least `most` states."""
    positions: list[int] = []
    states: list[torch.Tensor] = []
    for some, theirs in parts:
        positions += some
        states.append(theirs)
        if sum(map(len, states)) >= most:
            yield positions, torch.cat(states)
            positions, states = [], []
    if positions:
        yield positions, torch.cat(states)
