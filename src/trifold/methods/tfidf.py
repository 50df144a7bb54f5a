"""`tfidf`: word 1-2-grams and logistic regression, the baseline that a neural method has to beat. Needs no PyTorch.

Words are poor units in Chinese, which has no spaces, or where emoji matter. For such texts validation chooses between
words and character 1-4-grams. For other texts, characters take four times as long and bring nothing; for pairs of texts
they bring much (benchmarks/log/pairs.md).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import Arrays, read_state, write_state
from trifold.events import say
from trifold.methods.contract import Fitted, Method, Predictor, Scores
from trifold.methods.cost_forecast import MOST_WEIGHTS
from trifold.methods.linear_head import HeadData, LinearHead
from trifold.methods.logistic import FittedHead, fit_path
from trifold.models.settings import ComputeSettings
from trifold.schema import damaged, read_value
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Text, single_texts, two_sides

# Values of C (inverse regularisation strength) of the linear head.
_C_VALUES = (3.0, 10.0, 30.0, 100.0, 300.0)
UNITS = {"word": "words and word pairs", "char": "runs of one to four characters"}
_VOCABULARY = "vocabulary.json"
# Unlike scikit-learn's default, this counts words of one letter, such as "I".
_WORD = r"(?u)\b\w+\b"
# Characters that `_WORD` handles badly: in scripts of India and South-East Asia it ends a word at a vowel sign, and it
# skips emoji.
_UNSEEN = re.compile("[\u0900-\u109f\u1780-\u17ff\u2190-\u2bff\U0001f000-\U0001faff]")
# A text whose words have more characters than this on average has hardly any spaces.
_LONG_WORDS = 8
# Characters are tried if words are poor units in at least this share of a sample of texts. They are tried on rows of a
# limited number of characters, since all rows could take minutes.
_MIN_SHARE = 0.1
_SAMPLE_TEXTS = 1_000
_TRIED_CHARACTERS = 500_000
# With at least this much text, n-grams that occur in a single text are dropped: they take time and memory and bring
# nothing. With less text they help (benchmarks/LOG.md).
_CHARACTERS_FOR_MIN_DF_2 = 3_000_000


class TfidfPredictor(Predictor):
    """A TF-IDF vectoriser with a linear head.

    Args:
        vectoriser: Fitted.
        head: On its vectors; where a row is a pair of texts, on how far two of them differ, what they share and their
            cosine.
        labels: Labels of the task, in class order.
        pairs: Whether a row is a pair of texts.
    """

    def __init__(self, vectoriser: Any, head: LinearHead, labels: LabelMap, *, pairs: bool = False) -> None:
        self.labels = labels
        self._vectoriser = vectoriser
        self._head = head
        self._pairs = pairs

    def score(self, texts: Sequence[Text]) -> Scores:
        """See `Predictor.score`. Texts are never truncated."""
        truncated = np.zeros(len(texts), dtype=bool)
        if not len(texts):
            return Scores(np.zeros((0, len(self.labels)), dtype=np.float32), truncated)
        return Scores(self._head.logits(_vectors(self._vectoriser, texts, pairs=self._pairs)), truncated)

    def contributions(self, text: str, direction: np.ndarray) -> np.ndarray:
        """See `Predictor.contributions`. A term's weight is divided among its places, and among the words of each."""
        found = self._vectoriser.transform([text])
        weights = dict(zip(found.indices, found.data * (self._head.weight[found.indices] @ direction), strict=True))
        occurrences = _occurrences(self._vectoriser, text)
        counts = Counter(term for term, _ in occurrences)
        shares = [weights[term] / (counts[term] * len(places)) for term, places in occurrences for _ in places]
        everywhere = np.array([place for _, places in occurrences for place in places], dtype=np.int64)
        return np.bincount(everywhere, shares, minlength=len(text))

    def vectors(self, texts: Sequence[str]) -> Any:
        """See `Predictor.vectors`."""
        return self._vectoriser.transform(texts) if len(texts) else []

    def save(self, folder: Path) -> None:
        """Write the vocabulary, its weights and the head."""
        arrays = {"idf": self._vectoriser.idf_, **self._head.arrays()}
        settings = {**self.labels.described(), "analyzer": self._vectoriser.analyzer, "pairs": self._pairs}
        write_state(folder, settings, arrays)
        write_vocabulary(folder, self._vectoriser)

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "TfidfPredictor":  # noqa: ARG003 - it has none
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        vectoriser = saved_vectoriser(folder, settings, arrays)
        labels = LabelMap.saved(settings)
        pairs = settings.get("pairs") is True
        terms = len(vectoriser.idf_)
        head = LinearHead.saved(arrays, 2 * terms + 1 if pairs else terms, len(labels))
        return cls(vectoriser, head, labels, pairs=pairs)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._head = self._head.cooled(temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self._head = replace(self._head, bias=self._head.bias + shift)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return vectoriser_bytes(self._vectoriser) + sum(array.nbytes for array in self._head.arrays().values())


class Tfidf(Method):
    """Bag of words and word pairs, or of short runs of characters."""

    name = "tfidf"
    summary = "words and word pairs counted, no language model"
    predictor = TfidfPredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        analyzer = self._analyzer(train, validation, labels)
        vectoriser, data, chosen = self._fit(analyzer, train, validation, labels)
        units = UNITS[analyzer]
        terms = len(vectoriser.vocabulary_)
        say(f"tfidf: {terms:,} {units}, C = {chosen.c:g} chosen on validation")
        return Fitted(
            predictor=TfidfPredictor(vectoriser, chosen.head, labels, pairs=train.pairs),
            history=None,
            trainable_parameters=chosen.head.parameters(),
            choices={
                "units": units,
                "terms": terms,
                "strength": chosen.c,
                "validation_loss": chosen.validation_loss,
            },
            validation_logits=chosen.head.logits(data.validation),
        )

    def _analyzer(self, train: Examples, validation: Examples, labels: LabelMap) -> str:
        """`word` or `char`: words, unless they may be poor units for these texts and characters validate better.

        Whether two texts say the same is hardly seen by their common words, so for pairs both are tried.
        """
        generator = np.random.default_rng(0)
        order = generator.permutation(len(train)).tolist()
        poor = [_words_are_poor_units(str(train.texts[row])) for row in order[:_SAMPLE_TEXTS]]
        if np.mean(poor) < _MIN_SHARE and not train.pairs:
            return "word"
        few = train.take(_within(order, train.texts))
        seen = validation.take(_within(generator.permutation(len(validation)).tolist(), validation.texts))
        if len(few.label_counts()) < 2:
            return "char"

        def loss(analyzer: str) -> float:
            try:
                return self._fit(analyzer, few, seen, labels)[2].validation_loss
            except ValueError:
                # No text has a single word.
                return np.inf

        return min(("word", "char"), key=loss)

    def _fit(
        self, analyzer: str, train: Examples, validation: Examples, labels: LabelMap
    ) -> tuple[Any, HeadData, FittedHead]:
        characters = sum(len(text) for text in train.texts)
        min_df = 2 if characters >= _CHARACTERS_FOR_MIN_DF_2 else 1
        vectoriser = new_vectoriser(analyzer, min_df, None, MOST_WEIGHTS // len(labels) // (1 + train.pairs))
        if train.pairs:
            vectoriser.fit(chain(*two_sides(train.texts)))
            vectors = _vectors(vectoriser, train.texts, pairs=True)
        else:
            vectors = vectoriser.fit_transform(train.texts)
        data = HeadData(
            train=vectors,
            train_classes=labels.encode(train.labels),
            validation=_vectors(vectoriser, validation.texts, pairs=train.pairs),
            validation_classes=labels.encode(validation.labels),
            classes=len(labels),
            class_weight=self.settings.train.class_weight,
        )
        return vectoriser, data, fit_path(data, _C_VALUES, tolerance=1e-5)


def _vectors(vectoriser: Any, texts: Sequence[Text], *, pairs: bool) -> Any:
    """What the head reads of some texts, sparse, `(texts, features)`; of pairs, as in `pair_features.py`."""
    if not pairs:
        return vectoriser.transform(single_texts(texts))
    from scipy.sparse import csr_array, hstack

    first, second = (vectoriser.transform(side) for side in two_sides(texts))
    shared = first.multiply(second)
    # The vectors have length 1, so that the sum is their cosine.
    cosine = csr_array(np.asarray(shared.sum(axis=1)).reshape(-1, 1))
    return hstack([abs(first - second), shared, cosine], format="csr", dtype=np.float32)


def _words_are_poor_units(text: str) -> bool:
    words = re.findall(_WORD, text)
    return sum(map(len, words)) > _LONG_WORDS * len(words) or not words or bool(_UNSEEN.search(text))


def _occurrences(vectoriser: Any, text: str) -> list[tuple[int, list[int]]]:
    """The terms of a text that the vectoriser knows: each one's column, and where its words, or characters, begin."""
    lower, places = [], []
    for place, character in enumerate(text):
        # A capital may be two characters in lower case.
        lower.append(character.lower())
        places += [place] * len(lower[-1])
    units, starts, joint = _units(vectoriser.analyzer, "".join(lower), places)
    columns = vectoriser.vocabulary_
    return [
        (columns[term], starts[at : at + size])
        for size in range(1, vectoriser.ngram_range[1] + 1)
        for at in range(len(units) - size + 1)
        if (term := joint.join(units[at : at + size])) in columns
    ]


def _units(analyzer: str, lower: str, places: Sequence[int]) -> tuple[list[str], list[int], str]:
    """Words, or characters with a run of spaces as one, where each stands, and what joins them to a term."""
    if analyzer == "word":
        words = list(re.finditer(_WORD, lower))
        return [word[0] for word in words], [places[word.start()] for word in words], " "
    characters = list(re.finditer(r"\s\s+|.", lower, re.DOTALL))
    return [one[0] if len(one[0]) == 1 else " " for one in characters], [places[one.start()] for one in characters], ""


def _within(order: Sequence[int], texts: Sequence[Text]) -> list[int]:
    """The first rows of `order` whose texts together have at most `_TRIED_CHARACTERS` characters."""
    ends = np.cumsum([len(texts[row]) for row in order])
    return list(order[: max(1, int(np.searchsorted(ends, _TRIED_CHARACTERS, side="right")))])


def new_vectoriser(
    analyzer: str, min_df: int = 1, vocabulary: dict[str, int] | None = None, most_terms: int | None = None
) -> Any:
    """A vectoriser of scikit-learn.

    Args:
        analyzer: `word` or `char`.
        min_df: Texts that a term must stand in.
        vocabulary: Term to column; learned from texts where `None`.
        most_terms: Only so many, the most frequent ones.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=(1, 2) if analyzer == "word" else (1, 4),
        sublinear_tf=True,
        min_df=min_df,
        max_features=most_terms,
        vocabulary=vocabulary,
        dtype=np.float32,
        # Only for words: scikit-learn warns if it is set for characters.
        token_pattern=_WORD if analyzer == "word" else None,
    )


def write_vocabulary(folder: Path, vectoriser: Any) -> None:
    """Write the terms in the order of their columns."""
    terms = sorted(vectoriser.vocabulary_, key=vectoriser.vocabulary_.__getitem__)
    (folder / _VOCABULARY).write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")


def saved_vectoriser(folder: Path, settings: Mapping[str, Any], arrays: Arrays) -> Any:
    """The vectoriser of a run, from its vocabulary and what `read_state` gave.

    Raises:
        ArtifactError: If a part of it is missing or damaged.
    """
    terms = read_value(folder / _VOCABULARY, list[str])
    columns = {term: column for column, term in enumerate(terms)}
    if len(columns) < len(terms):
        raise damaged(folder / _VOCABULARY, "a term stands in it twice")
    # Runs made before characters were tried have no analyzer: they count words.
    found = new_vectoriser("char" if settings.get("analyzer") == "char" else "word", 1, columns)
    found.idf_ = arrays.of_shape("idf", len(columns))
    return found


def vectoriser_bytes(vectoriser: Any) -> int:
    """Bytes of its terms and their weights on disk."""
    return sum(len(term.encode()) + 4 for term in vectoriser.vocabulary_) + int(vectoriser.idf_.nbytes)
