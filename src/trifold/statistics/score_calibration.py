"""From a language model's scores of the labels' words to logits: what is divided, weighted and taken off.

A model says some words more readily than others whatever it reads, and long words less readily than short ones. Each
rule here corrects for that in a way of its own, most of them without a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from trifold.errors import DataError
from trifold.statistics.calibration import calibrated_loss, mean_log_loss

# How much the affine map is held to one weight for all words and to no bias, in rows.
_RIDGE_ROWS = 1.0
_FOLDS = 5


@dataclass(frozen=True)
class ScoreMap:
    """An affine map of scores, word by word.

    Attributes:
        lengths: `(words,)`, divides the scores: tokens of each word, or 1.
        weight: `(words,)`, multiplies what was divided.
        bias: `(words,)`, is subtracted at last.
    """

    lengths: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def plain(cls, words: int) -> "ScoreMap":
        """The map that changes nothing."""
        return cls(np.ones(words), np.ones(words), np.zeros(words))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Logits, `(texts, words)` float64, of scores of that shape."""
        found = scores / self.lengths
        if np.ptp(self.weight):
            # With equal weights, what all words of a text have in common makes no difference.
            found = log_softmax(found, axis=1)
        result: np.ndarray = found * self.weight - self.bias
        return result


def without_text(scores: np.ndarray) -> ScoreMap:
    """Contextual calibration: what the model says of no text at all is taken off.

    Args:
        scores: `(no-texts, words)`, log-likelihoods after prompts whose text says nothing. With one of them, an empty
            one, this is the pointwise mutual information of text and word.

    Source: Zhao et al. 2021, "Calibrate Before Use"; Holtzman et al. 2021, "Surface Form Competition".
    """
    bias = logsumexp(log_softmax(scores, axis=1), axis=0) - np.log(len(scores))
    return replace(ScoreMap.plain(scores.shape[1]), bias=bias)


def shifted(odds: np.ndarray) -> ScoreMap:
    """What the model says of no text is taken off each label by itself.

    Args:
        odds: `(no-texts, words)` log-odds after prompts whose text says nothing.
    """
    return replace(ScoreMap.plain(odds.shape[1]), bias=odds.mean(axis=0))


def affine_of_each(odds: np.ndarray, truth: np.ndarray) -> ScoreMap:
    """One weight for all labels and a bias for each, learned where a row may have several labels.

    Biases are held to that of no evidence at all by as much as one row weighs.

    Args:
        odds: `(texts, words)` log-odds of each label by itself.
        truth: `(texts, words)` bool.

    Raises:
        DataError: If there are no texts.
    """
    from scipy.optimize import minimize

    _require_texts(odds)
    rows, words = odds.shape
    mean, ridge = odds.mean(axis=0), _RIDGE_ROWS / rows

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = np.exp(values[0]), values[1:]
        logits = (odds - mean) * weight + bias
        wrong = (expit(logits) - truth) / rows
        size = 0.5 * ridge * float(bias @ bias)
        slope = [[(wrong * (odds - mean)).sum() * weight], wrong.sum(axis=0) + ridge * bias]
        return float(size + (np.logaddexp(0.0, logits) - truth * logits).sum() / rows), np.concatenate(slope)

    found = minimize(loss, np.zeros(words + 1), jac=True, method="L-BFGS-B").x
    weight = np.full(words, np.exp(found[0]))
    return ScoreMap(np.ones(words), weight, weight * mean - found[1:])


def over_batch(scores: np.ndarray) -> ScoreMap:
    """Batch calibration: what the model says on average is taken off; it takes texts, and no labels.

    Args:
        scores: `(texts, words)`.

    Raises:
        DataError: If there are no texts.

    Source: Zhou et al. 2024, "Batch Calibration: Rethinking Calibration for In-Context Learning", arXiv 2309.17249.
    """
    _require_texts(scores)
    return replace(ScoreMap.plain(scores.shape[1]), bias=log_softmax(scores, axis=1).mean(axis=0))


def by_length(lengths: Sequence[int]) -> ScoreMap:
    """The mean log-likelihood of a word's tokens instead of their sum.

    Args:
        lengths: Tokens of each word.
    """
    return replace(ScoreMap.plain(len(lengths)), lengths=np.array(lengths, dtype=np.float64))


def affine(scores: np.ndarray, truth: np.ndarray) -> ScoreMap:
    """A weight and a bias for each word, learned from labelled texts.

    Held, by as much as one row weighs, to one weight for all words and to the bias of batch calibration.

    Args:
        scores: `(texts, words)`.
        truth: `(texts,)` class numbers.

    Raises:
        DataError: If there are no texts.

    Source: "Supervised calibration of in-context learning", arXiv 2505.23783.
    """
    from scipy.optimize import minimize

    _require_texts(scores)
    logs = log_softmax(scores, axis=1)
    mean = logs.mean(axis=0)
    centred, (rows, words) = logs - mean, logs.shape
    ridge, one_hot = _RIDGE_ROWS / rows, np.eye(words)[truth]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        common, own, bias = values[0], values[1 : words + 1], values[words + 1 :]
        weight = np.exp(common + own)
        logits = log_softmax(centred * weight + bias, axis=1)
        wrong = (np.exp(logits) - one_hot) / rows
        by_weight = (wrong * centred).sum(axis=0) * weight
        size = 0.5 * ridge * float(own @ own + bias @ bias)
        slope = [[by_weight.sum()], by_weight + ridge * own, wrong.sum(axis=0) + ridge * bias]
        return float(size - (one_hot * logits).sum() / rows), np.concatenate(slope)

    found = minimize(loss, np.zeros(2 * words + 1), jac=True, method="L-BFGS-B").x
    weight = np.exp(found[0] + found[1 : words + 1])
    return ScoreMap(np.ones(words), weight, weight * mean - found[words + 1 :])


def affine_loss(scores: np.ndarray, truth: np.ndarray) -> float:
    """Log loss of `affine` on texts that it did not learn from: mean over folds.

    Args:
        scores: `(texts, words)`.
        truth: `(texts,)` class numbers.
    """
    fold = np.arange(len(truth)) % min(_FOLDS, len(truth))
    losses = np.empty(len(truth))
    for number in range(fold.max() + 1):
        inside = fold == number
        learned = affine(scores[~inside], truth[~inside])
        losses[inside] = mean_log_loss(learned(scores[inside]), truth[inside])
    return float(losses.mean())


def choose_map(
    maps: Mapping[str, ScoreMap], scores: np.ndarray, truth: np.ndarray
) -> tuple[str, ScoreMap, dict[str, float]]:
    """The map with the lowest log loss on validation rows, the affine one among them.

    Args:
        maps: Maps that were made without these labels, the simplest first.
        scores: `(texts, words)` of the validation rows.
        truth: `(texts,)` class numbers.

    Returns:
        Its name (`affine` for the learned one), the map, and the log loss of each: at its best temperature, or for the
        affine one on rows that it did not learn from.

    Raises:
        DataError: If there are no texts.
    """
    _require_texts(scores)
    losses = {name: calibrated_loss(one(scores), truth) for name, one in maps.items()}
    known = {**maps}
    if len(truth) >= 2 * _FOLDS:
        losses["affine"] = affine_loss(scores, truth)
        known["affine"] = affine(scores, truth)
    best = min(losses, key=losses.__getitem__)
    return best, known[best], losses


def _require_texts(scores: np.ndarray) -> None:
    if not len(scores):
        # A mean over no texts is none, and the weight of one row among none would divide by zero.
        raise DataError(
            "scores are calibrated by texts, and there are none that the model has read: give more rows, or "
            "--calibration contextual, which needs none"
        )
