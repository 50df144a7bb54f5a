"""Self-distillation: each target is the label mixed with the model's own prediction of one epoch before.

An example that is seen again and again is learned by heart, and the model becomes overconfident. Its prediction of the
epoch before was made when it knew the example less. Mixed into the target, that keeps uncertain examples uncertain. It
costs no forward pass, since those predictions were computed anyway.
"""

import torch

from trifold.train.objective import BatchLoss, weighted_loss

# Examples times classes beyond which they are not remembered: thousands of classes would take memory without end.
MAX_LOGITS = 16_000_000


class SelfDistillation:
    """Remembers the logits of every training example from the last time it was trained on.

    Args:
        examples: Number of training examples.
        share: Share of the target that is the earlier prediction in the last epoch; it grows linearly over the epochs.
        epochs: The most there may be.

    Attributes:
        logits: `(examples, classes)` on the model's device; `None` before the first step, and where nothing is
            remembered.

    Source: Kim et al. 2021, "Self-Knowledge Distillation with Progressive Refinement of Targets".
    """

    def __init__(self, examples: int, share: float, epochs: int) -> None:
        self.logits: torch.Tensor | None = None
        self._examples, self._share, self._epochs = examples, share, epochs
        # The share in this epoch. A tensor, because a captured step reads it anew in every epoch.
        self._share_now = torch.zeros(())

    def begin(self, epoch: int) -> None:
        """Begin an epoch, counted from 1; in the first there are no earlier predictions."""
        self._share_now.fill_(self._share * epoch / self._epochs if epoch > 1 else 0.0)

    def mixed_loss(self, result: BatchLoss, positions: torch.Tensor) -> torch.Tensor:
        """The loss to train on, a scalar summed over examples; the model's logits are remembered.

        Args:
            result: The objective's loss; where it has no logits, it stays as it is.
            positions: `(examples,)` int64, the examples' positions in the training data.
        """
        if not self._share or result.logits is None or result.weights is None:
            return result.total
        now = result.logits
        if self._examples * now.shape[1] > MAX_LOGITS:
            return result.total
        if self.logits is None:
            self.logits = torch.zeros(self._examples, now.shape[1], device=now.device)
        self._share_now = self._share_now.to(now.device)
        before = self.logits[positions]
        self.logits[positions] = now.detach().float()
        said = before.sigmoid() if result.weights.ndim == 2 else before.softmax(1)
        own = weighted_loss(now, said, result.weights)
        return (1 - self._share_now) * result.total + self._share_now * own
