"""Prompts and the words that may follow them as a tree of tokens, in which no token stands twice.

Source: Miao et al. 2024, "SpecInfer", for attention over a tree of tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch


@dataclass(frozen=True)
class Continuations:
    """A prompt and its possible continuations.

    Attributes:
        prompt: Token ids, at least one.
        words: Token ids of each continuation, at least one each.
    """

    prompt: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Branches:
    """A prompt's words as a tree whose root is the prompt's last token.

    What several words begin with stands there once. A word's last token is left out, since its logits are not needed.

    Attributes:
        tokens: Token id of each node; a node comes after its parent.
        paths: For each node the nodes from the root to it, the root left out and the node itself included.
        wanted: For each token of each word the node that its likelihood is read from (-1 for the root), its id, and the
            word's number, `(tokens, 3)`.
    """

    tokens: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]
    wanted: np.ndarray

    def leaves(self) -> list[tuple[int, ...]]:
        """The paths that are no part of a longer one; the root's empty one if it is the only node."""
        inner = {node for path in self.paths for node in path[:-1]}
        return [path for path in self.paths if path[-1] not in inner] or [()]


@lru_cache(maxsize=64)
def branches_of(words: tuple[tuple[int, ...], ...]) -> Branches:
    """The tree of some words."""
    nodes: dict[tuple[int, ...], int] = {(): -1}
    tokens: list[int] = []
    paths: list[tuple[int, ...]] = []
    wanted: list[tuple[int, int, int]] = []
    for number, word in enumerate(words):
        for step, token in enumerate(word):
            parent, begin = nodes[word[:step]], word[: step + 1]
            wanted.append((parent, token, number))
            if step + 1 < len(word) and begin not in nodes:
                nodes[begin] = len(tokens)
                paths.append((*(paths[parent] if parent >= 0 else ()), len(tokens)))
                tokens.append(token)
    return Branches(tuple(tokens), tuple(paths), np.array(wanted))


def places_of(rows: Sequence[Continuations]) -> np.ndarray:
    """Where each row's places begin if all places whose logits are asked for stand one after the other, `(rows + 1,)`.

    A row's first place is the last token of its prompt; the nodes of its words follow in their order.
    """
    return np.cumsum([0, *(1 + len(branches_of(row.words).tokens) for row in rows)])


class Pack:
    """The tokens of several prompts and their words as one row, without the prefix that all have in common.

    Args:
        rows: The prompts and their words.
        known: Tokens of each prompt that are in the prefix.

    Attributes:
        tokens: Tokens of the row that are not there to fill it up.
        ids: Token ids.
        positions: The position of each token in its own text, counting the prefix.
        asked: Indices into `ids` of the tokens whose logits are needed, in the order of `places_of`.
    """

    def __init__(self, rows: Sequence[Continuations], known: int) -> None:
        self._known = known
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.asked: list[int] = []
        # For each token the number of its prompt, and whether it is the prompt's own; each word's tokens attend to the
        # tokens on their path.
        self._owners: list[int] = []
        self._of_prompt: list[bool] = []
        self._on_path: list[tuple[int, int]] = []
        for number, row in enumerate(rows):
            self._add(number, row)
        self.tokens = len(self.ids)

    def _add(self, number: int, row: Continuations) -> None:
        branches = branches_of(row.words)
        root = len(self.ids) + len(row.prompt) - self._known - 1
        self.ids += [*row.prompt[self._known :], *branches.tokens]
        self.positions += range(self._known, len(row.prompt))
        self.positions += [len(row.prompt) + len(path) - 1 for path in branches.paths]
        self.asked += range(root, len(self.ids))
        self._of_prompt += [True] * (len(row.prompt) - self._known) + [False] * len(branches.tokens)
        self._on_path += [(root + 1 + path[-1], root + 1 + node) for path in branches.paths for node in path]
        self._owners += [number] * (len(self.ids) - len(self._owners))

    def fill(self, size: int) -> None:
        """Fill the row up to so many tokens with some that nothing attends to."""
        missing = size - len(self.ids)
        self.ids += [0] * missing
        self.positions += [self._known] * missing
        self._owners += [-1] * missing
        self._of_prompt += [True] * missing

    def masks(self, windows: Mapping[str, int | None], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """What each token attends to, for each kind of layer.

        Args:
            windows: From `layer_windows`.
            dtype: The model's.

        Returns:
            Kind to mask, `(1, 1, tokens, prefix + tokens)`: 0 where a token attends, else the lowest number.
        """
        owners, of_prompt = torch.tensor(self._owners), torch.tensor(self._of_prompt)
        inside = ((owners[:, None] == owners) & of_prompt).tril_()
        if self._on_path:
            queries, keys = torch.tensor(self._on_path).T
            inside[queries, keys] = True
        seen = torch.cat([torch.ones(len(self.ids), self._known, dtype=torch.bool), inside], 1)
        positions = torch.tensor(self.positions)
        distances = positions[:, None] - torch.cat([torch.arange(self._known), positions])
        lowest = torch.finfo(dtype).min
        found = {}
        for kind, window in windows.items():
            near = seen if window is None else seen & (distances < window)
            found[kind] = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~near, lowest)[None, None]
        return found
