"""Which rows would let a model see in training what it is tested on: the same text, or nearly the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.near_duplicates import NearPairs, NearSearch
from trifold.data.shingles import normalise, words_alone
from trifold.types import Text

# Jaccard similarity from which on two texts count as nearly the same, and the fewest characters for that: in a short
# text one word changes what is said (docs/decisions/0027).
NEAR_THRESHOLD = 0.9
NEAR_CHARACTERS = 50


@dataclass(frozen=True)
class Leaks:
    """Rows of the training and validation part that stay, those among them that had better leave.

    Attributes:
        train: `(rows,)` positions of the training rows whose text stands in no other part.
        validation: `(rows,)` positions of the validation rows whose text does not stand in the test part.
        near_train: `(rows,)` positions of the rows of `train` whose text is nearly that of a row of another part.
        near_validation: `(rows,)` positions of the rows of `validation` whose text is nearly that of a test row.
    """

    train: np.ndarray
    validation: np.ndarray
    near_train: np.ndarray
    near_validation: np.ndarray


def find_leaks(train: Sequence[Text], validation: Sequence[Text], test: Sequence[Text]) -> Leaks:
    """Find the training rows that also stand in another part, and the validation rows that stand in the test part.

    Args:
        train: Texts of the training part.
        validation: Texts of the validation part.
        test: Texts of the test part.
    """
    tested = {text.strip() for text in test}
    kept_validation = _others(validation, tested)
    kept_train = _others(train, tested | {validation[i].strip() for i in kept_validation})
    texts = [
        _comparable(text)
        for text in (*test, *(validation[i] for i in kept_validation), *(train[i] for i in kept_train))
    ]
    long_enough = np.fromiter((len(text) >= NEAR_CHARACTERS for text in texts), bool, len(texts))
    parts = np.repeat([0, 1, 2], [len(test), len(kept_validation), len(kept_train)])
    test_at, validation_at, train_at = (np.flatnonzero((parts == part) & long_enough) for part in range(3))
    search = NearSearch(texts, NEAR_THRESHOLD)
    near_validation = search.copies(validation_at, test_at).positions >= 0
    near_train = search.copies(train_at, np.concatenate([test_at, validation_at[~near_validation]])).positions >= 0
    first_validation, first_train = len(test), len(test) + len(kept_validation)
    return Leaks(
        train=kept_train,
        validation=kept_validation,
        near_train=kept_train[train_at[near_train] - first_train],
        near_validation=kept_validation[validation_at[near_validation] - first_validation],
    )


def alike(texts: Sequence[Text]) -> NearPairs:
    """Pairs of texts that are nearly the same by the measure of the split, as many as connect each group of them.

    Args:
        texts: Any; short ones, those that are the same as an earlier one, and rows of two texts are in no pair.
    """
    first: dict[Text, int] = {}
    for position, text in enumerate(texts):
        first.setdefault(text.strip(), position)
    comparable = {position: _comparable(texts[position]) for position in first.values()}
    at = np.array([i for i, text in comparable.items() if len(text) >= NEAR_CHARACTERS], dtype=np.int64)
    found = NearSearch([comparable[i] for i in at.tolist()], NEAR_THRESHOLD).pairs()
    return NearPairs(at[found.left], at[found.right], found.similarity)


def _comparable(text: Text) -> str:
    """What is compared of a text; nothing of a pair, since many share a long text and differ in a short one."""
    return words_alone(normalise(text)) if isinstance(text, str) else ""


def _others(texts: Sequence[Text], seen: set[Text]) -> np.ndarray:
    """Positions of the texts that were not seen."""
    return np.array([i for i, text in enumerate(texts) if text.strip() not in seen], dtype=np.int64)
