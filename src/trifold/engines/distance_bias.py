"""What MPNet adds to the scores of attention: for each head a number for how far, and on which side, a token is.

Near distances have a number each, farther ones share it, on a logarithmic scale.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1, which MPNet follows.
"""

import math

import torch

# Numbers of a head, half of them for tokens on either side; and from which distance on all share one.
BUCKETS, _FARTHEST = 32, 128


class DistanceBias(torch.nn.Module):
    """Scores' bias by distance.

    Args:
        heads: Attention heads.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(BUCKETS, heads))

    def forward(self, tokens: int, mask: torch.Tensor | None) -> torch.Tensor:
        """What is added to the scores, which leaves masked tokens out.

        Args:
            tokens: Of each text, padding included.
            mask: `(batch, 1, 1, tokens)` bool, false at padding; `None` where no token is padding.

        Returns:
            `(batch, heads, tokens, tokens)`, or `(1, …)` without a mask, in the weights' precision.
        """
        places = torch.arange(tokens, device=self.weight.device)
        found = self.weight[bucket_of(places - places[:, None])].permute(2, 0, 1)[None]
        return found if mask is None else found.masked_fill(~mask, -torch.inf)


def bucket_of(distance: torch.Tensor) -> torch.Tensor:
    """The number that stands for a distance; positive ones are of tokens behind."""
    of_side = BUCKETS // 2
    alone = of_side // 2
    far = distance.abs()
    shared = torch.log(far.clamp_min(1).float() / alone) / math.log(_FARTHEST / alone) * (of_side - alone)
    shared = (alone + shared.long()).clamp_max(of_side - 1)
    return (distance > 0) * of_side + torch.where(far < alone, far, shared)
