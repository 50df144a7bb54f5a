"""The objective of two towers: one encoder reads each text by itself, and cosines get the order of the scores."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, softplus

from trifold.models.batching import PadTo, by_token_budget
from trifold.models.pooling import mean_of_windows, pool_tokens, window_shares
from trifold.models.tokens import Tokens
from trifold.train.objective import BatchLoss

# How steeply the loss of a comparison rises with the difference of two cosines.
_SHARPNESS = 20.0
# Pairs that are compared with each other at once, where more are given: validation compares thousands.
COMPARED = 1_024


@dataclass(frozen=True)
class PairOrder:
    """Objective: of two pairs, the one with the higher score has the higher cosine.

    All pairs of a step are compared with each other, so a step must not be split into micro-batches; texts are encoded
    in batches of at most `token_budget` tokens all the same.

    Attributes:
        first: The first texts of the pairs.
        second: The second texts.
        scores: `(pairs,)`.
        pad_id: The token id that shorter texts of a batch are padded with.
        pad_to: The padding rule of batches.
        device: The model's device.
        token_budget: The most tokens of one forward pass.
    """

    first: Tokens
    second: Tokens
    scores: np.ndarray
    pad_id: int
    pad_to: PadTo
    device: str
    token_budget: int

    def with_tokens(self, first: Tokens, second: Tokens) -> "PairOrder":
        """The objective on other token ids of the same texts."""
        return replace(self, first=first, second=second)

    @property
    def lengths(self) -> np.ndarray:
        """See `Objective.lengths`: of both texts, as they are padded to the longer one."""
        longer: np.ndarray = 2 * np.maximum(self.first.lengths, self.second.lengths)
        return longer

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`; what counts as correct is the share of comparisons that the cosines decide rightly."""
        # They come sorted by length, and pairs of all lengths are to be compared.
        parts = np.array_split(np.sort(positions), -(-len(positions) // COMPARED))
        found = [self._part_loss(model, part) for part in parts]
        return BatchLoss(torch.stack([loss for loss, _ in found]).sum(), torch.stack([one for _, one in found]).sum())

    def _part_loss(self, model: torch.nn.Module, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        scores = torch.from_numpy(self.scores[positions]).to(self.device)
        loss, right = order_loss(self._cosines(model, positions), scores)
        return loss * len(positions), right * len(positions)

    def _cosines(self, model: torch.nn.Module, positions: np.ndarray) -> torch.Tensor:
        """`(pairs,)`, encoded in batches of similar length."""
        batches = by_token_budget(self.lengths[positions], self.token_budget)
        first, second = (
            torch.cat([self._vectors(model, tokens, positions[batch]) for batch in batches])
            for tokens in (self.first, self.second)
        )
        back = torch.from_numpy(np.argsort(np.concatenate(batches))).to(self.device)
        return cosine_similarity(first, second)[back]

    def _vectors(self, model: torch.nn.Module, tokens: Tokens, positions: np.ndarray) -> torch.Tensor:
        ids, mask = (part.to(self.device) for part in tokens.batch(positions, self.pad_id, self.pad_to))
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        pooled = pool_tokens(states, mask, "mean")
        if tokens.windows is None:
            return pooled
        return mean_of_windows(pooled, window_shares(tokens.windows[positions]).to(self.device))


def order_loss(cosines: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of `log(1 + exp(s (cosine_j - cosine_i)))` over all i and j where i has the higher score.

    Args:
        cosines: `(pairs,)`.
        scores: `(pairs,)`.

    Returns:
        The loss, and the share of these comparisons that the cosines decide rightly; both 0 where all scores are equal.

    Source: Burges et al. 2005, "Learning to Rank Using Gradient Descent" (RankNet), of cosines.
    """
    above = scores[:, None] > scores[None]
    margins = (cosines[None] - cosines[:, None])[above]
    if not len(margins):
        return 0.0 * cosines.sum(), torch.zeros((), device=cosines.device)
    return softplus(_SHARPNESS * margins).mean(), (margins < 0).float().mean()
