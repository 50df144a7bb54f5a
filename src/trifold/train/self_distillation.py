"""Learning from what the model itself said of an example one epoch before, beside the label.

Seen again and again, an example is learned by heart, and the model ends surer than it is right. What it said in the
epoch before, it said knowing the example less, or not at all: mixed into the target, that keeps doubtful ones doubtful.
It costs no pass of its own, since those answers were computed anyway.
"""

import torch

from trifold.train.objective import BatchLoss, weighted_loss

# Examples times classes beyond which they are not remembered: thousands of classes would take memory without end.
_MOST_LOGITS = 16_000_000


class SelfDistillation:
    """Logits of every training example, each as it was when last trained on.

    Args:
        examples: How many there are.
        share: Of the target in the last epoch that comes from them; it grows in a line over the epochs.
        epochs: At most.

    Attributes:
        logits: `(examples, classes)` where the model computes; `None` before the first step, and where nothing is
            remembered.

    Source: Kim et al. 2021, "Self-Knowledge Distillation with Progressive Refinement of Targets".
    """

    def __init__(self, examples: int, share: float, epochs: int) -> None:
        self.logits: torch.Tensor | None = None
        self._examples, self._share, self._epochs = examples, share, epochs
        # Of this epoch; a tensor, since a step that was captured goes on through all of them.
        self._share_now = torch.zeros(())

    def begin(self, epoch: int) -> None:
        """Go on to an epoch, from 1, in which there is nothing to remember yet."""
        self._share_now.fill_(self._share * epoch / self._epochs if epoch > 1 else 0.0)

    def mixed_loss(self, result: BatchLoss, positions: torch.Tensor) -> torch.Tensor:
        """The loss to learn from, a scalar summed over examples; what the model says now is remembered.

        Args:
            result: Of the examples; where it has no logits, its loss stays as it is.
            positions: `(examples,)` int64, which they are.
        """
        if not self._share or result.logits is None or result.weights is None:
            return result.total
        now = result.logits
        if self._examples * now.shape[1] > _MOST_LOGITS:
            return result.total
        if self.logits is None:
            self.logits = torch.zeros(self._examples, now.shape[1], device=now.device)
        self._share_now = self._share_now.to(now.device)
        before = self.logits[positions]
        self.logits[positions] = now.detach().float()
        said = before.sigmoid() if result.weights.ndim == 2 else before.softmax(1)
        own = weighted_loss(now, said, result.weights)
        return (1 - self._share_now) * result.total + self._share_now * own
