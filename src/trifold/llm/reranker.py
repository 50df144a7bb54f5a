"""Models that read two texts and say whether they go together, as classifiers that need no labelled text.

Each label is put beside the text as a hypothesis or a query. How surely the model finds that this pair goes together is
the label's score; softmax over the labels' scores gives probabilities.

Source: Yin et al. 2019, "Benchmarking Zero-shot Text Classification: Datasets, Evaluation and Entailment Approach".
"""

import json
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from trifold.llm.contract import Gap, Scorer
from trifold.types import TextPair


class Reranker(Scorer):
    """A reranker or another cross-encoder.

    Attributes:
        hypothesis: How a label is put into words where the user does not say, with `{label}` for its own words.
    """

    hypothesis: str = "{label}"

    @abstractmethod
    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """`log(p / (1 - p))` that the texts of each pair go together, `(pairs,)` float64.

        Args:
            pairs: A query or hypothesis each, and the text that it is put to.

        Raises:
            LlmError: If one is longer than the model's context.
        """

    @abstractmethod
    def count_pairs(self, pairs: Sequence[TextPair]) -> int:
        """Tokens of some pairs, all together."""

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.log_likelihoods`. They are log-odds of each label by itself."""
        if not gaps:
            return np.zeros((0, 0))
        # One label after the other: a decoder computes what the pairs of a label begin with once.
        each = [self.log_odds([self._pair(gap, word) for gap in gaps]) for word in gaps[0].words]
        return np.stack(each, axis=1)

    def separate_scores(self, gaps: Sequence[Gap]) -> np.ndarray:
        """See `Scorer.separate_scores`."""
        return self.log_likelihoods(gaps)

    def count(self, gap: Gap) -> int:
        """See `Scorer.count`. The text is read once with each label."""
        return self.count_pairs([self._pair(gap, word) for word in gap.words])

    def longest(self, gap: Gap) -> int:
        """See `Scorer.longest`."""
        return max(self.count_pairs([self._pair(gap, word)]) for word in gap.words)

    def reads(self, gap: Gap) -> str:
        """See `Scorer.reads`."""
        pairs = [self._pair(gap, word) for word in gap.words]
        return json.dumps([gap.text, *(pair.first for pair in pairs)], ensure_ascii=False)

    def _pair(self, gap: Gap, word: str) -> TextPair:
        return TextPair((gap.hypothesis or self.hypothesis).replace("{label}", word), gap.text)
