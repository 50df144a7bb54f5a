"""What every engine promises: the pooled hidden states of a padded batch of texts, by a frozen encoder.

An engine is a subclass of `Engine` in a file of its own. To add one, write the file and name the class in
`catalogue.ENGINES`; to remove one, delete both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch

from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import PadTo
from trifold.runtime import Runtime


class Weights(NamedTuple):
    """A model as its files have it.

    Attributes:
        config: Its `config.json`.
        tensors: Its weights, by their names in the files.
    """

    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class EncoderModule:
    """An encoder that will not be trained any more.

    Attributes:
        module: It, in single precision and evaluation mode, on the runtime's device: takes `input_ids` and
            `attention_mask`, returns `last_hidden_state` and, where asked, `hidden_states`. An engine may keep or copy
            it, and leaves it as it is.
        runtime: Where it is, and in which precision it is to compute.
    """

    module: Any
    runtime: Runtime


@dataclass(frozen=True)
class SavedEncoder(EncoderModule):
    """An encoder and the files that it was read from.

    Attributes:
        files: The backbone.
        load: Gives the same encoder as transformers has it, which is loaded when this is first called.
    """

    files: BackboneFiles
    load: Callable[[], Any]


class Engine(ABC):
    """Computes the pooled hidden states of padded batches.

    Attributes:
        settings: The values of `--engine`, and of a saved run's `"engine"`, that this engine serves.
        name: What a run saves as its `"engine"`.
        takes_module: Whether it computes with `EncoderModule.module`, or else with what `SavedEncoder.load` gives.
        follows_training: Whether it computes with the encoder's weights as they are at that moment.
        precision: Number format of the matmuls, as runs and cached vectors name it.
        token_budget: Tokens of one forward pass, padding included, where the user names no number.
        pad_to: What lengths batches are padded to.
    """

    settings: ClassVar[tuple[str, ...]]
    name: ClassVar[str]
    takes_module: ClassVar[bool] = True
    follows_training: ClassVar[bool] = False
    precision: str
    token_budget: int
    pad_to: PadTo

    @classmethod
    def missing(cls, runtime: Runtime) -> str:  # noqa: ARG003 - most engines compute anywhere
        """Why it cannot compute on this machine, in words; empty where it can. Asked before any weights are read."""
        return ""

    @classmethod
    @abstractmethod
    def of(cls, source: SavedEncoder) -> Self | None:
        """An engine for this encoder; `None` where the results would not be the encoder's own.

        Raises:
            SettingsError: If a package that it needs is not installed.
        """

    @abstractmethod
    def pooled(self, ids: np.ndarray, mask: np.ndarray, layers: tuple[int, ...]) -> np.ndarray:
        """Pool the hidden states of some layers.

        Args:
            ids: `(batch, tokens)` int64.
            mask: `(batch, tokens)` int64, 0 at padding.
            layers: Which hidden states, 0 being the embeddings.

        Returns:
            `(batch, layers, poolings, width)` float32; poolings as in `POOLINGS`.
        """

    @abstractmethod
    def keep(self, layers: int) -> int:
        """Drop the layers above the lowest `layers`, where the architecture is known; returns how many are left."""
