"""Hidden states of prompts and their words as batches of whole texts, for models that cannot share a prefix.

Such are recurrent models, and those that encode positions in a way that cannot be told to them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from trifold.llm.token_tree import Continuations, branches_of, places_of
from trifold.models.batching import by_token_budget, default_padding, padded_length
from trifold.runtime import Runtime


class BatchedStates:
    """Runs a model's body on batches of texts of similar length.

    Padding stands behind the texts, where no token of a decoder sees it, so neither masks nor positions are needed.

    Args:
        model: A causal language model in evaluation mode.
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass, padding included.

    Attributes:
        tokens_computed: Tokens that went through the model so far, padding left out.
    """

    def __init__(self, model: Any, runtime: Runtime, token_budget: int) -> None:
        self._body = getattr(model, model.base_model_prefix)
        self._runtime = runtime
        self._token_budget = token_budget
        self.tokens_computed = 0

    def of(self, rows: Sequence[Continuations]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """All rows' positions, and the states of their places in the order of `places_of`, `(places, width)`."""
        starts = places_of(rows).tolist()
        texts = [text for row, start in zip(rows, starts, strict=False) for text in _texts(row, start)]
        lengths = np.array([len(ids) for ids, _ in texts])
        places: list[int] = []
        states: list[torch.Tensor] = []
        for batch in by_token_budget(lengths, self._token_budget):
            width = padded_length(lengths[batch], default_padding(self._runtime), int(lengths.max()))
            ids = torch.zeros((len(batch), width), dtype=torch.long)
            for number, text in enumerate(batch):
                ids[number, : lengths[text]] = torch.tensor(texts[text][0])
            found = [(number, index, place) for number, text in enumerate(batch) for index, place in texts[text][1]]
            numbers, indices, theirs = zip(*found, strict=True)
            states.append(self._forward(ids)[list(numbers), list(indices)])
            places += theirs
            self.tokens_computed += int(lengths[batch].sum())
        order = torch.tensor(places).argsort()
        yield list(range(len(rows))), torch.cat(states)[order.to(states[0].device)]

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` to `(batch, tokens, width)`."""
        ids = ids.to(self._runtime.device)
        # Without a mask transformers warns of padding tokens; one of ones it drops again.
        states: torch.Tensor = self._body(
            input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False
        ).last_hidden_state
        return states


def _texts(row: Continuations, start: int) -> Iterator[tuple[tuple[int, ...], list[tuple[int, int]]]]:
    """The texts that a row needs, one for each word that no other one begins with.

    Args:
        row: A prompt and its words.
        start: Number of its first place among all places.

    Yields:
        Token ids; and the index of each token whose state is asked for, with the number of its place.
    """
    branches, root = branches_of(row.words), len(row.prompt) - 1
    left = set(range(-1, len(branches.tokens)))
    for path in branches.leaves():
        nodes = (-1, *path)
        asked = [(root + step, start + 1 + node) for step, node in enumerate(nodes) if node in left]
        left -= set(nodes)
        yield (*row.prompt, *(branches.tokens[node] for node in path)), asked
