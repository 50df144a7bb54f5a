"""A model taken apart into its steps: texts to tokens, forward passes over some of them, what is made of the states.

Whoever has all texts at once goes through the steps with `results`. A server takes each step by itself, to put the
texts of many clients into one forward pass, and to let several heads read the states of one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trifold.models.batching import by_token_budget
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens
from trifold.types import Text


@dataclass(frozen=True, kw_only=True)
class TokenModel(ABC):
    """What computes something of texts by way of their tokens.

    Attributes:
        tokenizer: Gives the tokens.
        token_budget: Tokens of one forward pass, padding included.
        apart: Whether the two texts of a pair go through the model apart.
    """

    tokenizer: Tokenizer
    token_budget: int
    apart: bool = False

    @abstractmethod
    def states(self, tokens: Tokens, positions: np.ndarray) -> np.ndarray:
        """One forward pass.

        Args:
            tokens: From `encode`.
            positions: `(batch,)`, which of them go through together.

        Returns:
            `(batch, …)` float32, what `finish` takes.
        """

    @abstractmethod
    def no_states(self) -> np.ndarray:
        """The states of no text, `(0, …)` float32."""

    @abstractmethod
    def finish(self, states: np.ndarray) -> np.ndarray:
        """The result from the states of some texts; where pairs are read `apart`, in the order of `encode`.

        Returns:
            `(rows, …)` float32.
        """

    def layered(self) -> Any | None:  # noqa: B027 - most have none
        """The module of PyTorch on the CPU whose layers compute the states; `None` where there is none."""

    def encode(self, texts: Sequence[Text]) -> Tokens:
        """The tokens of some texts; of pairs that are read `apart`, all first texts, then the second ones."""
        return self.tokenizer.encode(texts)

    def results(self, texts: Sequence[Text]) -> tuple[np.ndarray, np.ndarray]:
        """All steps.

        Returns:
            `(texts, …)` float32, and `(texts,)` bool, whether a text was too long to be read whole.
        """
        tokens, whole = self.encode(texts), self.no_states()
        if len(tokens):
            whole = np.empty((len(tokens), *whole.shape[1:]), dtype=np.float32)
        for batch in by_token_budget(tokens.lengths, self.token_budget):
            whole[batch] = self.states(tokens, batch)
        truncated = tokens.truncated
        if self.apart:
            truncated = truncated[: len(texts)] | truncated[len(texts) :]
        return self.finish(whole), truncated


@dataclass(frozen=True, kw_only=True)
class LogitsModel(TokenModel):
    """A model whose forward pass gives logits.

    Attributes:
        classes: How many.
        forward: From tokens and the positions of a batch to `(batch, classes)` float32.
        module: As `layered` gives it.
    """

    classes: int
    forward: Callable[[Tokens, np.ndarray], np.ndarray]
    module: Any = None

    def layered(self) -> Any | None:
        """See `TokenModel.layered`."""
        return self.module

    def states(self, tokens: Tokens, positions: np.ndarray) -> np.ndarray:
        """See `TokenModel.states`."""
        return self.forward(tokens, positions)

    def no_states(self) -> np.ndarray:
        """See `TokenModel.no_states`."""
        return np.zeros((0, self.classes), dtype=np.float32)

    def finish(self, states: np.ndarray) -> np.ndarray:
        """See `TokenModel.finish`."""
        return states
