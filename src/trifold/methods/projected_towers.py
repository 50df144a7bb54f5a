"""`features` for similarity: the encoder is frozen, and one matrix on its vectors is learned.

The vectors are computed once, so that learning takes seconds; what comes out is still a vector of each text by itself.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from trifold.data.scored_pairs import ScoredPairs
from trifold.events import say
from trifold.formatting import counted
from trifold.methods.defaults import Defaults
from trifold.methods.similarity import FittedSimilarity, SimilarityMethod
from trifold.methods.similarity_objective import COMPARED, order_loss
from trifold.methods.training_config import chosen_for, make_training_config
from trifold.methods.two_towers import NO_LIMIT, TwoTowers, Untouched
from trifold.runtime import Runtime, seed_everything
from trifold.train.loop import train as train_model
from trifold.train.objective import BatchLoss


class Projection(torch.nn.Module):
    """A square matrix that starts as the one that changes nothing; weight decay draws it back there.

    Args:
        width: Numbers of a vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = torch.nn.Parameter(torch.zeros(width, width))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """`(batch, width)` to `(batch, width)`."""
        return vectors + vectors @ self.change

    def matrix(self) -> np.ndarray:
        """What vectors are multiplied by, `(width, width)` float32."""
        return np.asarray(np.eye(len(self.change), dtype=np.float32) + self.change.detach().numpy())


@dataclass(frozen=True)
class VectorOrder:
    """Objective: as `PairOrder`, on vectors that were computed before; a pair counts as one token.

    Attributes:
        first: `(pairs, width)` vectors of the first texts.
        second: `(pairs, width)` vectors of the second texts.
        scores: `(pairs,)`.
    """

    first: torch.Tensor
    second: torch.Tensor
    scores: torch.Tensor

    @classmethod
    def of(cls, towers: TwoTowers, part: ScoredPairs) -> "VectorOrder":
        """The objective on pairs, whose vectors are computed here."""
        vectors, _ = towers.vectors(part.texts)
        first, second = (torch.from_numpy(half) for half in np.split(vectors, 2))
        return cls(first, second, torch.from_numpy(part.scores))

    @property
    def lengths(self) -> np.ndarray:
        """See `Objective.lengths`: 1 for each pair."""
        return np.ones(len(self.scores), dtype=np.int64)

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        parts = np.array_split(positions, -(-len(positions) // COMPARED))
        found = [
            order_loss(cosine_similarity(model(self.first[part]), model(self.second[part])), self.scores[part])
            for part in parts
        ]
        total, right = (sum(one[i] * len(part) for one, part in zip(found, parts, strict=True)) for i in (0, 1))
        return BatchLoss(torch.as_tensor(total), torch.as_tensor(right))


class ProjectedTowers(SimilarityMethod):
    """The encoder is frozen, and one matrix on its vectors is learned."""

    name = "features"
    summary = "the encoder is frozen, one matrix on its vectors is learned"
    model = TwoTowers
    defaults = Defaults(3e-4, (1e-5, 1e-1), batch_size=64)
    epochs = 20

    def learn(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:
        """See `SimilarityMethod.learn`."""
        untouched, given = Untouched(self.settings).learn(train, validation), self.settings.train
        towers = untouched.model
        assert isinstance(towers, TwoTowers)
        parts = [VectorOrder.of(towers, part) for part in (train, validation)]
        seed_everything(given.seed)
        matrix, runtime = Projection(parts[0].first.shape[1]), Runtime("cpu", "float32")
        config = make_training_config(
            self.name, self.defaults, given, epochs=given.epochs or self.epochs, token_budget=NO_LIMIT
        )
        history, best = train_model(
            matrix, parts[0], parts[1], replace(config, quiet=True, must_move=False, unit="pairs"), runtime
        )
        towers.projection = matrix.matrix()
        say(
            f"features: a matrix of {matrix.change.numel():,} numbers learned from {counted(len(train), 'pair')}, "
            f"epoch {history.best_epoch:g} of {config.epochs} kept, {best.in_words()}"
        )
        # The precision and engine stay those of the encoder, which does the work in use.
        choices = {**chosen_for(config, history, runtime), **untouched.choices}
        del choices["token_budget"]
        return FittedSimilarity(towers, history, matrix.change.numel(), choices)
