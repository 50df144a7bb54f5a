"""Which of a classifier's classes means that a pair of texts goes together: relevance, or entailment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

# What the class may be called where a model tells relevance, and where it tells what follows from a text.
RELEVANT = ("relevant", "1", "true", "yes", "match", "positive")
_ENTAILMENT = ("entailment", "entails", "entailed")


@dataclass(frozen=True)
class YesClass:
    """What a classifier of pairs says yes with.

    Attributes:
        number: Its class that means yes.
        entails: Whether yes means that the second text follows from the first, as of premise and hypothesis; else that
            the second text is relevant to the first, as of query and passage.
    """

    number: int
    entails: bool

    def log_odds(self, logits: np.ndarray) -> np.ndarray:
        """`log(p / (1 - p))` of yes, `(pairs,)` float64.

        Args:
            logits: `(pairs, classes)`; a single class is the logit of yes itself.
        """
        precise = logits.astype(np.float64)
        others = np.delete(precise, self.number, axis=1)
        if not others.shape[1]:
            return np.asarray(precise[:, self.number])
        return np.asarray(precise[:, self.number] - logsumexp(others, axis=1))


def yes_class(names: Sequence[object]) -> YesClass | None:
    """The class that means yes.

    Args:
        names: The classes' names, in their order.

    Returns:
        The class; `None` if no name tells which it is.
    """
    folded = [str(name).strip().lower() for name in names]
    if len(folded) == 1:
        return YesClass(0, entails=False)
    entailed = [number for number, name in enumerate(folded) if name in _ENTAILMENT]
    if len(entailed) == 1:
        return YesClass(entailed[0], entails=True)
    relevant = [number for number, name in enumerate(folded) if name in RELEVANT]
    return YesClass(relevant[0], entails=False) if len(folded) == 2 and len(relevant) == 1 else None
