"""Words that name a topic: frequent in it and rarer in the others."""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from trifold.data.markup import without_markup
from trifold.documents.language.stop_words import is_stop_word, stop_words_of
from trifold.word_characters import MARKS, UNSPACED, UNSPACED_CHARACTER

WORDS_A_TOPIC = 6
# A word of a single text names that text, and where there are few texts, whatever there is.
_FEWEST_TEXTS, _FEW = 2, 50
# A word that stands in at least this share of the texts of more than this share of the topics names none of them, where
# there are so many topics.
_MANY_TEXTS, _MOST_TOPICS, _TOPICS_TO_TELL = 0.1, 0.75, 4
# How many times as frequent as in all texts a word must be in the topic that it names.
_MORE_FREQUENT = 1.5
# Longer runs of letters and digits are codes.
_INSIDE = rf"[^\W{UNSPACED}]|[{MARKS}]"
_SPACED = rf"(?<!{_INSIDE})[^\W\d_{UNSPACED}](?:{_INSIDE}|['\u2019-]){{1,30}}(?<!['\u2019-])(?!{_INSIDE})"
_WORD = re.compile(rf"({_SPACED})|(?:{UNSPACED_CHARACTER}){{2,}}")
_CHARACTER = re.compile(UNSPACED_CHARACTER)


def topic_words(texts: Sequence[str], topic_of: np.ndarray, count: int, most: int = WORDS_A_TOPIC) -> list[list[str]]:
    """The words with the largest class-based TF-IDF, for each topic.

    The weight of word w in topic t is `tf(w, t) * log(1 + A / f(w)) * log(tf(w, t) / tf(w))`: its share of the
    topic's words, its frequency f(w) in all topics, A, the words of an average topic, and its share of all words. The
    last factor is ours: without it, the commonest words of a language name every topic of questions. Words that are
    hardly more frequent in the topic than in all texts do not name it, nor do a language's stop words and words that
    stand in many texts of most topics. Tags, entities and addresses are no words.

    Args:
        texts: The texts.
        topic_of: `(texts,)`, the topic of each, -1 for none.
        count: Number of topics.
        most: Words of each.

    In scripts without spaces, two neighbouring characters count as a word.

    Source: Grootendorst 2022, "BERTopic" (arXiv 2203.05794).
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=_words_of, dtype=np.int32)
    try:
        counts = csr_array(vectorizer.fit_transform(texts))
    except ValueError:
        # No text has a word, as where all are emoji.
        return [[] for _ in range(count)]
    names = vectorizer.get_feature_names_out()
    in_texts = np.bincount(counts.indices, minlength=len(names))
    usable = in_texts >= (_FEWEST_TEXTS if len(texts) >= _FEW else 1)
    stop_words = stop_words_of(dict(zip(names, np.asarray(counts.sum(axis=0)).ravel().tolist(), strict=True)))
    usable &= np.array([not is_stop_word(name, stop_words) for name in names])
    members = np.flatnonzero(topic_of >= 0)
    belongs = csr_array(
        (np.ones(len(members), dtype=np.int32), (topic_of[members], members)), shape=(count, len(texts))
    )
    in_topic = (belongs @ counts).toarray().astype(np.float64)
    sizes = np.maximum(np.bincount(topic_of[members], minlength=count), 1)
    spread = (belongs @ (counts > 0).astype(np.int32)).toarray() / sizes[:, None] >= _MANY_TEXTS
    if count >= _TOPICS_TO_TELL:
        usable &= spread.mean(axis=0) <= _MOST_TOPICS
    lengths = np.maximum(in_topic.sum(axis=1, keepdims=True), 1)
    shares = in_topic / lengths
    everywhere = in_topic.sum(axis=0)
    times = shares / np.maximum(everywhere / lengths.sum(), 1e-12)
    weights = shares * np.log1p(lengths.mean() / np.maximum(everywhere, 1)) * np.log(np.maximum(times, 1))
    weights[:, ~usable] = 0
    weights[times < _MORE_FREQUENT] = 0
    found = []
    for row in weights:
        best = np.argsort(-row, kind="stable")[: 4 * most]
        found.append(_without_forms([str(names[place]) for place in best if row[place] > 0])[:most])
    return found


def _words_of(text: str) -> list[str]:
    found = list[str]()
    for word in _WORD.finditer(without_markup(text).lower()):
        if word[1]:
            found.append(word[1])
        else:
            found += map("".join, pairwise(_CHARACTER.findall(word[0])))
    return found


def _without_forms(words: Sequence[str]) -> list[str]:
    """The words without those that only lengthen another one by an ending, or shorten it: `film` and `films`."""
    kept: list[str] = []
    for word in words:
        if not any(len(word) > 3 and (_same_stem(word, other) or _same_stem(other, word)) for other in kept):
            kept.append(word)
    return kept


def _same_stem(longer: str, shorter: str) -> bool:
    return longer.startswith(shorter) and len(longer) - len(shorter) <= 2
