"""The objective of fine-tuning: cross-entropy on labelled texts, computed above what is frozen where that pays."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from trifold.events import say
from trifold.features.prefix_cache import PrefixCache, PrefixStates, frozen_depth
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import PadTo, default_padding
from trifold.models.pooling import mean_of_windows, window_shares
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens, named_inputs
from trifold.runtime import Runtime
from trifold.train.objective import BatchLoss, Capturable, classification_loss
from trifold.types import Text


@dataclass(frozen=True)
class Classification(Capturable):
    """Objective: cross-entropy of a sequence classifier on tokenised, labelled texts.

    The logits of a text are the mean over its windows, which are always computed together: its gradient is that of the
    mean, as if there were room for all of it.

    Attributes:
        tokens: The texts.
        classes: `(texts,)` class numbers, or `(texts, classes)` bool.
        weights: How much each text counts, as `row_weights` returns it.
        pad_id: The token id that shorter texts of a batch are padded with.
        pad_to: The padding rule of batches.
        states: Hidden states of each text below the first trained layer; `None` if the whole model is run.
        set_states: Sets the states that the model's next forward pass starts from.
    """

    tokens: Tokens
    classes: torch.Tensor
    weights: torch.Tensor
    pad_id: int
    pad_to: PadTo
    states: PrefixStates | None = None
    set_states: Callable[[torch.Tensor], None] | None = None

    @classmethod
    def of(
        cls, texts: Sequence[Text], classes: np.ndarray, weights: np.ndarray, tokenizer: Tokenizer, runtime: Runtime
    ) -> "Classification":
        """The objective on `texts`, which are tokenised here."""
        return cls(
            tokenizer.encode(texts),
            torch.from_numpy(classes),
            torch.from_numpy(weights),
            tokenizer.pad_id,
            default_padding(runtime),
        )

    @property
    def lengths(self) -> np.ndarray:
        """See `Objective.lengths`."""
        return self.tokens.lengths

    @property
    def few_shapes(self) -> bool:
        """See `Capturable.few_shapes`."""
        return self.tokens.windows is None

    def inputs(self, positions: np.ndarray, pad_to: PadTo | None = None) -> list[torch.Tensor]:
        """See `Capturable.inputs`."""
        ids, mask, *types = self.tokens.batch(positions, self.pad_id, pad_to or self.pad_to)
        # Attention is faster without a mask; a mask of no tokens says that nothing is padding.
        mask = mask[:, :0] if mask.all() else mask
        # Token types lie below the states.
        below = types if self.states is None else [self.states.batch(positions, ids.shape[1])]
        shares = [] if self.tokens.windows is None else [window_shares(self.tokens.windows[positions])]
        return [ids, mask, self.classes[positions], self.weights[positions], *shares, *below]

    def loss_of(self, model: torch.nn.Module, inputs: list[torch.Tensor]) -> BatchLoss:
        """See `Capturable.loss_of`."""
        ids, mask, classes, weights, *rest = inputs
        if self.states is not None and self.set_states is not None:
            self.set_states(self.states.padded(rest.pop()))
        shares = None if self.tokens.windows is None else rest.pop(0)
        logits = model(**named_inputs((ids, mask if mask.numel() else None, *rest))).logits.float()
        if shares is not None:
            logits = mean_of_windows(logits, shares)
        return classification_loss(logits, classes, weights)


@dataclass(frozen=True)
class StartedObjectives:
    """Objectives that start above the frozen prefix, or from the texts if nothing is frozen.

    Attributes:
        objectives: Those of training and of validation.
        cached_seconds: Time that computing the states from the cache once took.
        choices: What `run.json` records of the prefix.
    """

    objectives: list[Classification]
    cached_seconds: float = 0.0
    choices: Mapping[str, object] = field(default_factory=dict)


def with_tokens(objectives: list[Classification], tokens: list[Tokens]) -> list[Classification]:
    """The objectives on other token ids of the same texts."""
    return [replace(objective, tokens=own) for objective, own in zip(objectives, tokens, strict=True)]


@contextmanager
def above_frozen_prefix(
    method: str,
    model: Any,
    objectives: list[Classification],
    runtime: Runtime,
    files: BackboneFiles,
    settings: BackboneSettings,
) -> Iterator[StartedObjectives]:
    """Compute the frozen layers once per text; inside the block the objectives start from their hidden states.

    The objectives are left as they are if nothing is frozen, if the cache is off, if the architecture cannot be
    replayed, or if the disk has no room for the states.

    Args:
        method: Its name, for messages.
        model: To be trained; inside the block it may consist of its upper layers only.
        objectives: Those of training and of validation.
        runtime: Device and precision.
        files: The backbone.
        settings: Whether the cache is used, and what it may take.
    """
    depth, pad_id = frozen_depth(model), objectives[0].pad_id
    tokens = [objective.tokens for objective in objectives]
    prefix = PrefixCache(model, depth, runtime) if depth and settings.cache else None
    if prefix is None or not prefix.fits(tokens[0], pad_id):
        yield StartedObjectives(objectives)
        return
    if not prefix.has_room(tokens, settings):
        say(f"note: so every epoch computes the lowest {depth} layers anew")
        yield StartedObjectives(objectives)
        return
    say(f"{method}: the lowest {depth} layers are frozen and computed once")
    started = time.monotonic()
    with ExitStack() as stack:
        found = [stack.enter_context(prefix.computed(part, pad_id, files, settings)) for part in tokens]
        cached_seconds = sum(one.cached_seconds for one in found)
        seconds = time.monotonic() - started + cached_seconds
        set_states = stack.enter_context(prefix.replayed())
        states = (PrefixStates(one.arrays, runtime, part.windows) for one, part in zip(found, tokens, strict=True))
        replayed = [
            replace(objective, states=own, set_states=set_states)
            for objective, own in zip(objectives, states, strict=True)
        ]
        choices = {"prefix_layers": depth, "prefix_seconds": round(seconds, 3)}
        yield StartedObjectives(replayed, cached_seconds, choices)
