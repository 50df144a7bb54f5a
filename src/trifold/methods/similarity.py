"""`--task similarity`: what every method promises that learns how similar two texts are, as people score it.

These methods stand beside those of `contract.py`. What comes out is one number a pair, the cosine of the vectors of its
texts; so each text can be encoded by itself, once, and compared with any number of others.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from trifold.artifact.arrays import Arrays
from trifold.data.scored_pairs import ScoredPairs
from trifold.methods.contract import Adaptation
from trifold.models.settings import ComputeSettings
from trifold.schema import damaged
from trifold.statistics.score_scale import ScoreScale
from trifold.train.history import History
from trifold.types import TextPair


@dataclass(frozen=True)
class Similarities:
    """How similar the texts of some pairs are.

    Attributes:
        cosines: `(pairs,)` float32, from -1 to 1.
        truncated: `(pairs,)` bool, whether a text of the pair was too long to be read whole.
        scores: `(pairs,)` float64, the same on the scale of the scores that were learned from.
    """

    cosines: np.ndarray
    truncated: np.ndarray
    scores: np.ndarray


class SimilarityModel(ABC):
    """Two texts to a cosine.

    Attributes:
        scale: From cosines to scores.
    """

    scale: ScoreScale

    @abstractmethod
    def cosines(self, pairs: Sequence[TextPair]) -> tuple[np.ndarray, np.ndarray]:
        """The cosine of each pair, `(pairs,)` float32, and `(pairs,)` bool, whether a text was too long."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything `load` needs into `folder`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "SimilarityModel":
        """Read a model back.

        Raises:
            ArtifactError: If a file is missing or damaged.
        """

    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes needed on disk to run this model."""

    def similarities(self, pairs: Sequence[TextPair]) -> Similarities:
        """How similar the texts of each pair are."""
        cosines, truncated = self.cosines(pairs)
        return Similarities(cosines, truncated, self.scale.scaled(cosines))


def scale_arrays(scale: ScoreScale) -> dict[str, np.ndarray]:
    """A scale as it is saved."""
    return {"scale_cosines": scale.cosines, "scale_scores": scale.scores}


def saved_scale(arrays: Arrays) -> ScoreScale:
    """The inverse of `scale_arrays`.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    cosines = arrays.of_shape("scale_cosines", None)
    scores = arrays.of_shape("scale_scores", len(cosines))
    if len(cosines) < 2 or not ((np.diff(cosines) > 0).all() and (np.diff(scores) > 0).all()):
        raise damaged(arrays.path, "the scale of the scores does not rise")
    return ScoreScale(cosines, scores)


@dataclass(frozen=True)
class FittedSimilarity:
    """What `SimilarityMethod.fit` returns; the fields are as in `Fitted`."""

    model: SimilarityModel
    history: History | None
    trainable_parameters: int
    choices: dict[str, object]
    cached_seconds: float = 0.0


class SimilarityMethod(Adaptation):
    """A way to learn the similarity of texts.

    Attributes:
        model: What `fit` returns, for loading.
        learns: Whether any score has a say in the order that it gives to pairs.
    """

    model: ClassVar[type[SimilarityModel]]
    learns: ClassVar[bool] = True

    @abstractmethod
    def learn(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:
        """Learn from `train`; choose settings and checkpoints on `validation`, never learning from it."""

    def fit(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:
        """Learn, then find on `validation` which score a cosine stands for."""
        fitted = self.learn(train, validation)
        cosines, _ = fitted.model.cosines(validation.pairs)
        low, high = float(train.scores.min()), float(train.scores.max())
        fitted.model.scale = ScoreScale.fit(cosines, validation.scores, low, high)
        return replace(fitted, choices={**fitted.choices, "scores_from": low, "scores_to": high})
