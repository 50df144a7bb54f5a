"""What a model says of a text without some of its words."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import logsumexp

from trifold.explanations.words import Span, without
from trifold.methods.contract import Predictor


def log_odds(logits: np.ndarray, number: int, *, multi_label: bool) -> np.ndarray:
    """Log-odds of one class, `(texts,)` float64.

    Probabilities near 0 and 1 hardly move when a word is left out; their log-odds do.

    Args:
        logits: `(texts, classes)`.
        number: Of the class.
        multi_label: Whether classes are independent of each other.
    """
    precise = logits.astype(np.float64)
    if multi_label:
        return np.asarray(precise[:, number])
    return np.asarray(precise[:, number] - logsumexp(np.delete(precise, number, axis=1), axis=1))


class Variants:
    """A text without some of its words, as a model scores it; each variant is scored once.

    Args:
        predictor: The model.
        text: The text.
        number: Of the class whose log-odds are asked for.

    Attributes:
        words: Those that the model reads, in the order of the text.
        evaluations: How many variants were scored.
    """

    def __init__(self, predictor: Predictor, text: str, words: Sequence[Span], number: int) -> None:
        self.words = words
        self._predictor, self._text, self._number = predictor, text, number
        self._parts = predictor.read_spans(text)
        self._known: dict[tuple[int, ...], float] = {}

    @property
    def evaluations(self) -> int:
        """How many variants were scored."""
        return len(self._known)

    def known(self, left_out: Iterable[int]) -> bool:
        """Whether this variant was scored already."""
        return tuple(sorted(left_out)) in self._known

    def __call__(self, left_out: Iterable[Iterable[int]]) -> np.ndarray:
        """Log-odds of the class, `(variants,)`.

        Args:
            left_out: For each variant the numbers of the words that are left out.
        """
        asked = [tuple(sorted(one)) for one in left_out]
        new = [one for one in dict.fromkeys(asked) if one not in self._known]
        if new:
            texts = [without(self._text, self._parts, [self.words[number] for number in one]) for one in new]
            logits = self._predictor.score(texts).logits
            found = log_odds(logits, self._number, multi_label=self._predictor.labels.multi_label)
            self._known.update(zip(new, found.tolist(), strict=True))
        return np.array([self._known[one] for one in asked])
