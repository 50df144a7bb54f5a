"""Masked words and next words, as objectives of the training loop."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.engines.language_head import word_loss
from trifold.errors import ArtifactError
from trifold.pretrain.masking import Masking
from trifold.pretrain.packing import Blocks
from trifold.runtime import Runtime
from trifold.train.objective import BatchLoss, Objective, evaluate

# How far the saved model's loss may be from the trained model's: equal weights on equal examples.
_LOSS_TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}


@dataclass(frozen=True)
class MaskedWords:
    """Objective: predict masked words from the words on both sides; cross-entropy at the masked positions.

    Attributes:
        blocks: The blocks of text.
        masking: Chooses the masked words.
        device: The model's device.
        lengths: Tokens of each block.
        seed: Seed of the masking, so that validation masks equal words each time; `None` draws anew each time.
    """

    blocks: Blocks
    masking: Masking
    device: str
    lengths: np.ndarray
    seed: int | None = None

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        ids, continues = self.blocks.read(positions)
        if self.seed is None:
            # Seeded by PyTorch's generator, which is part of the saved state: a resumed training masks equal words.
            rng = np.random.default_rng(int(torch.randint(2**62, ())))
            parts = [self.masking.mask(ids, continues, rng)]
        else:
            rngs = (np.random.default_rng([self.seed, int(position)]) for position in positions)
            rows = range(len(positions))
            parts = [
                self.masking.mask(ids[i : i + 1], continues[i : i + 1], r) for i, r in zip(rows, rngs, strict=True)
            ]
        chosen = np.concatenate([part.chosen for part in parts])
        inputs = torch.from_numpy(np.concatenate([part.inputs for part in parts])).to(self.device)
        targets = torch.from_numpy(ids[chosen]).to(self.device)
        return prediction_loss(model, inputs, torch.from_numpy(chosen).to(self.device), targets)


@dataclass(frozen=True)
class NextWords:
    """Objective: predict each token from those before it; cross-entropy at every position.

    Attributes:
        blocks: The blocks of text; each is read together with the first token of the next block.
        device: The model's device.
        lengths: Tokens of each block.
    """

    blocks: Blocks
    device: str
    lengths: np.ndarray

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        ids = torch.from_numpy(self.blocks.read(positions)[0]).to(self.device)
        return prediction_loss(model, ids[:, :-1], None, ids[:, 1:].flatten())


def prediction_loss(
    model: torch.nn.Module, ids: torch.Tensor, where: torch.Tensor | None, targets: torch.Tensor
) -> BatchLoss:
    """Cross-entropy summed over predictions.

    Args:
        model: With a language head.
        ids: `(batch, tokens)`.
        where: `(batch, tokens)` bool, the positions to predict at; `None` for all.
        targets: `(predictions,)`, the true tokens at these positions.
    """
    total, correct = word_loss(model, ids, where, targets)
    return BatchLoss(total, correct, count=len(targets))


@dataclass(frozen=True)
class Excerpt:
    """The first examples of an objective.

    Attributes:
        whole: The objective.
        count: Number of its first examples that are used.
    """

    whole: Objective
    count: int

    @property
    def lengths(self) -> np.ndarray:
        """See `Objective.lengths`."""
        return self.whole.lengths[: self.count]

    def loss(self, model: Any, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        return self.whole.loss(model, positions)


def prove_saved(trained: Any, saved: Any, part: Objective, token_budget: int, runtime: Runtime) -> None:
    """Check that a saved and reloaded model has the trained model's loss.

    Raises:
        ArtifactError: If they differ.
    """
    before, after = (evaluate(model, part, token_budget, runtime).loss for model in (trained, saved.to(runtime.device)))
    if not abs(before - after) <= _LOSS_TOLERANCE[runtime.precision]:
        raise ArtifactError(
            f"the saved model's loss is {after:.4f} and the trained one's {before:.4f}: "
            "nothing was kept; please report this with the command"
        )


def objectives(
    blocks: tuple[Blocks, Blocks], masking: Masking | None, measuring: Masking | None, device: str, seed: int
) -> tuple[Objective, Objective]:
    """The objectives of training and validation: masked words if maskings are given, else next words."""
    lengths = [np.full(len(part), part.size, dtype=np.int64) for part in blocks]
    if masking is None or measuring is None:
        return NextWords(blocks[0], device, lengths[0]), NextWords(blocks[1], device, lengths[1])
    return (
        MaskedWords(blocks[0], masking, device, lengths[0]),
        MaskedWords(blocks[1], measuring, device, lengths[1], seed),
    )
