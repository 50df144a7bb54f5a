"""A head on the pooled states of a frozen encoder, in the steps of a `TokenModel`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np

from trifold.engines.encoder import Encoder
from trifold.engines.module_engine import ModuleEngine
from trifold.engines.token_model import TokenModel
from trifold.models.pooling import POOLINGS, Pooled
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens
from trifold.models.vector_steps import unit_length
from trifold.types import Text, single_texts, two_sides


@runtime_checkable
class SharesEncoder(Protocol):
    """What computes with an encoder that others may use as well."""

    def share(self, encoder: Encoder) -> None:
        """Go on with another encoder of the same address that has at least the layers that are read."""
        ...


@dataclass(frozen=True, kw_only=True)
class PooledModel(TokenModel):
    """A head on pooled states. Several may take one forward pass of an encoder that has the same states.

    Attributes:
        encoder: Gives the states.
        layers: Whose states are pooled, ascending; the head finds those that it reads among them.
        head: From the pooled states of some texts to `(rows, …)` float32.
    """

    encoder: Encoder
    layers: tuple[int, ...]
    head: Callable[[Pooled], np.ndarray]

    def encode(self, texts: Sequence[Text]) -> Tokens:
        """See `TokenModel.encode`.

        Raises:
            DataError: If pairs are given where single texts are read, or the reverse.
        """
        return self.tokenizer.encode(list(chain(*two_sides(texts))) if self.apart else single_texts(texts))

    def states(self, tokens: Tokens, positions: np.ndarray) -> np.ndarray:
        """See `TokenModel.states`: `(batch, layers, poolings, width)`."""
        return self.encoder.pool_batch(tokens, positions, self.tokenizer.pad_id, self.layers)

    def layered(self) -> Any | None:
        """See `TokenModel.layered`."""
        engine = self.encoder.engine
        return engine.module if isinstance(engine, ModuleEngine) and self.encoder.runtime.device == "cpu" else None

    def no_states(self) -> np.ndarray:
        """See `TokenModel.no_states`."""
        return np.zeros((0, len(self.layers), len(POOLINGS), self.encoder.width), dtype=np.float32)

    def finish(self, states: np.ndarray) -> np.ndarray:
        """See `TokenModel.finish`."""
        return self.head(Pooled(states, self.layers))


def mean_model(
    encoder: Encoder, tokenizer: Tokenizer, settings: ComputeSettings, head: Callable[[np.ndarray], np.ndarray]
) -> PooledModel:
    """A head on the mean of the top layer's states, made length 1.

    Args:
        encoder: Gives the states.
        tokenizer: The encoder's.
        settings: How it is run.
        head: From `(texts, width)` float32 to `(texts, …)` float32.
    """
    top = encoder.layers
    return PooledModel(
        tokenizer=tokenizer,
        token_budget=settings.token_budget or encoder.engine.token_budget,
        encoder=encoder,
        layers=(top,),
        head=lambda pooled: head(unit_length(pooled.join([(top, "mean")]))),
    )
