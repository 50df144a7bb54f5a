"""Words of a language that say nothing of what a text is about."""

from collections.abc import Mapping
from functools import lru_cache

# Words of scikit-learn's English list that may well be what texts are about.
# Source: Nothman, Qin and Yurchak 2018, "Stop Word Lists in Free Open-source Software Packages".
_SUBJECTS = frozenset(("bill", "call", "cry", "fire", "interest", "mill", "system"))
# Frequent in what people write to each other, and not in that list.
_MISSING = frozenset(
    ("did", "does", "doing", "don", "just", "like", "got", "im", "ive", "dont", "really", "let", "s", "t")
)
# Of a language's texts, stop words are at least this share of the words.
_LEAST_SHARE = 0.15


def stop_words_of(counts: Mapping[str, int]) -> frozenset[str]:
    """The stop words of the language that texts are in: of the known ones, that whose list has most of their words.

    English is known; others where bm25s (the extra `search`) is installed, which has their lists.

    Args:
        counts: Of each word of the texts, in lower case, how often it stands there.

    Source:
        Languages by their stop words: Grefenstette 1995, "Comparing Two Language Identification Schemes".
    """
    words = sum(counts.values())
    shares = {name: sum(counts.get(word, 0) for word in known) / max(1, words) for name, known in _lists().items()}
    best = max(shares, key=lambda name: shares[name])
    return _lists()[best] if shares[best] >= _LEAST_SHARE else frozenset()


def english_stop_words() -> frozenset[str]:
    """Those of English."""
    return _lists()["EN"]


def is_stop_word(word: str, known: frozenset[str]) -> bool:
    """Whether a word is one, also with an ending behind an apostrophe: `it's`, `don't`."""
    begin, apostrophe, _ = word.replace("\u2019", "'").partition("'")
    return word in known or (bool(apostrophe) and (begin in known or begin.removesuffix("n") in known))


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = {"EN": (frozenset(ENGLISH_STOP_WORDS) | _MISSING) - _SUBJECTS}
    try:
        from bm25s import stopwords
    except ImportError:
        return found
    for name in (
        "GERMAN",
        "DUTCH",
        "FRENCH",
        "SPANISH",
        "PORTUGUESE",
        "ITALIAN",
        "RUSSIAN",
        "SWEDISH",
        "NORWEGIAN",
        "TURKISH",
        "DANISH",
    ):
        found[name] = frozenset(getattr(stopwords, f"STOPWORDS_{name}", ()))
    return found
