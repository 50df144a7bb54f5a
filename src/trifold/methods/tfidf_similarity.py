"""`tfidf` for similarity: the cosine of two texts' weighted words, or runs of characters. Needs no PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.data.scored_pairs import ScoredPairs
from trifold.events import say
from trifold.methods.similarity import FittedSimilarity, SimilarityMethod, SimilarityModel, saved_scale, scale_arrays
from trifold.methods.tfidf import (
    UNITS,
    new_vectoriser,
    saved_vectoriser,
    vectoriser_bytes,
    write_vocabulary,
)
from trifold.models.settings import ComputeSettings
from trifold.statistics.correlation import spearman
from trifold.types import TextPair

# Of many long texts only the most frequent are counted, to save memory.
_MOST_TERMS = 1_000_000


class TfidfSimilarity(SimilarityModel):
    """Cosines of TF-IDF vectors."""

    def __init__(self, vectoriser: Any) -> None:
        self._vectoriser = vectoriser

    def cosines(self, pairs: Sequence[TextPair]) -> tuple[np.ndarray, np.ndarray]:
        """See `SimilarityModel.cosines`. Texts are never truncated; texts without a known word are like no other."""
        truncated = np.zeros(len(pairs), dtype=bool)
        if not pairs:
            return np.zeros(0, dtype=np.float32), truncated
        first, second = (
            self._vectoriser.transform(texts)
            for texts in ([pair.first for pair in pairs], [pair.second for pair in pairs])
        )
        return np.asarray(first.multiply(second).sum(axis=1), dtype=np.float32).ravel(), truncated

    def save(self, folder: Path) -> None:
        """Write the vocabulary and its weights."""
        arrays = {"idf": self._vectoriser.idf_, **scale_arrays(self.scale)}
        write_state(folder, {"analyzer": self._vectoriser.analyzer}, arrays)
        write_vocabulary(folder, self._vectoriser)

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "TfidfSimilarity":  # noqa: ARG003 - it has none
        """See `SimilarityModel.load`."""
        settings, arrays = read_state(folder)
        found = cls(saved_vectoriser(folder, settings, arrays))
        found.scale = saved_scale(arrays)
        return found

    def size_bytes(self) -> int:
        """See `SimilarityModel.size_bytes`."""
        return vectoriser_bytes(self._vectoriser)


class TfidfCosine(SimilarityMethod):
    """Words, or short runs of characters: whichever gets the order of validation pairs better."""

    name = "tfidf"
    summary = "words that both texts share, no language model"
    model = TfidfSimilarity

    def learn(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:
        """See `SimilarityMethod.learn`."""
        found: dict[str, tuple[float, TfidfSimilarity]] = {}
        for analyzer in UNITS:
            vectoriser = new_vectoriser(analyzer, most_terms=_MOST_TERMS)
            try:
                vectoriser.fit(train.texts)
            except ValueError:
                # No text has a single word.
                continue
            tried = TfidfSimilarity(vectoriser)
            found[analyzer] = spearman(validation.scores, tried.cosines(validation.pairs)[0])[0], tried
        best = max(found, key=lambda name: found[name][0])
        figure, chosen = found[best]
        say(f"tfidf: {UNITS[best]}, Spearman correlation {figure:.3f} on validation")
        choices = {"units": UNITS[best], "validation_spearman": figure}
        return FittedSimilarity(chosen, None, 0, choices)
