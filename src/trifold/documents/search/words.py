"""The words of a text, and the terms by which words of the same meaning are found: stems, and pairs of characters.

Nothing here knows of an index. Which words are left out as too common, and how others are reduced to their stems, is
decided by the language.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

from trifold.documents.language.stemmer import open_stemmer
from trifold.errors import SettingsError
from trifold.events import say_once
from trifold.word_characters import MARKS, SPACED_RUN, UNSPACED

NEEDS_SEARCH = "searching by keywords needs the extra search: pip install 'trifold[search]'"

_CHARACTERS = f"(?:[^\\W{UNSPACED}]++|[{MARKS}]++)++"
_WORD = re.compile(f"[{UNSPACED}]+|{_CHARACTERS}(?:['\u2019-]{_CHARACTERS})*")
_WORDS_AND_BREAKS = re.compile(f"({_WORD.pattern})|[.!?;:()\\[\\]\u0964\u3002\uff01\uff1f]+|\\n\\s*\\n")
_PIECES = re.compile(f"[{UNSPACED}]+|{SPACED_RUN}")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
# Stands where a sentence ends or a bracket opens or closes: no phrase goes across.
BREAK = ""

# Codes of ISO 639-1 to the lists of words that bm25s knows to be too common to tell documents apart.
_STOP_WORDS = {
    "da": "DANISH",
    "de": "GERMAN",
    "en": "EN",
    "es": "SPANISH",
    "fr": "FRENCH",
    "it": "ITALIAN",
    "ko": "KOREAN",
    "nl": "DUTCH",
    "no": "NORWEGIAN",
    "pt": "PORTUGUESE",
    "ru": "RUSSIAN",
    "sv": "SWEDISH",
    "tr": "TURKISH",
}


def has_keywords() -> bool:
    """Whether what keywords need is installed; it is not imported for that."""
    return all(find_spec(name) is not None for name in ("bm25s", "Stemmer"))


def split_words(text: str) -> list[str]:
    """The words of a text in lower case and Unicode's compatible form (NFKC), with `BREAK` between sentences.

    Words keep the hyphens and apostrophes inside them. Of scripts without spaces a whole run of characters is a word.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return _WORDS_AND_BREAKS.findall(plain.lower())


def without_last_word(text: str) -> tuple[str, str]:
    """A text as it is without its last word, and that word in lower case; empty where the text ends in no word."""
    last = next(iter(deque(_WORD.finditer(text), maxlen=1)), None)
    words = split_words(last[0]) if last and last.end() == len(text) else []
    return (text[: last.start()], words[-1]) if last and words else (text, "")


def stop_words(language: str) -> frozenset[str]:
    """Words of a language that are too common to search for; none where no list of them is known.

    Raises:
        SettingsError: If bm25s, which has the lists, is not installed.
    """
    try:
        from bm25s import stopwords
    except ImportError:
        raise SettingsError(NEEDS_SEARCH) from None
    name = _STOP_WORDS.get(language)
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}")) if name else frozenset()


def term_finder(language: str) -> Callable[[str], list[str]]:
    """A function from a word to its terms.

    A word is split at hyphens and apostrophes, and each piece reduced to its stem. A run of characters of a script
    without spaces gives each two neighbours: "信息检索" gives 信息, 息检, 检索.

    Args:
        language: ISO 639-1 code; without a stemmer for it, words are matched as they are written.

    Raises:
        SettingsError: If PyStemmer is not installed.

    Source:
        Snowball's stemmers, https://snowballstem.org; pairs of characters: Nie, Gao, Zhang and Zhou 2000, "On the Use
        of Words and N-grams for Chinese Information Retrieval".
    """
    stem = _stemmer(language)

    def terms(word: str) -> list[str]:
        found: list[str] = []
        for piece in _PIECES.findall(word):
            if not _IS_UNSPACED.match(piece):
                found.append(stem(piece))
            elif len(piece) == 1:
                found.append(piece)
            else:
                found += [piece[i : i + 2] for i in range(len(piece) - 1)]
        return found

    return lru_cache(maxsize=1 << 16)(terms)


def _stemmer(language: str) -> Callable[[str], str]:
    try:
        found = open_stemmer(language)
    except ImportError:
        raise SettingsError(NEEDS_SEARCH) from None
    if found is None:
        say_once(f"note: there is no stemmer for the language {language!r}: keywords are matched as they are written")
        return lambda piece: piece
    return found
