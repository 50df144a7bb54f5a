"""Texts by the keywords that they share with a query (BM25), in memory-mapped files.

The same folder holds the texts' words one after the other, from which `phrases.py` completes queries.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import TypedDict

import numpy as np

from trifold.documents.search.mapped_array import open_array
from trifold.documents.search.records import read_record
from trifold.documents.search.sorted_words import SortedWords
from trifold.documents.search.words import BREAK, NEEDS_SEARCH, split_words, stop_words, term_finder
from trifold.errors import SettingsError
from trifold.schema import Count

# How soon a term's repetitions in a text stop counting, and how far a text's length is evened out. On queries of
# SciFact's training part it makes no difference (docs/decisions/0026-ranking.md).
K1, B = 1.5, 0.75
FACTS = "keywords.json"
WORDS, TERMS = "words", "terms"
TEXT, TEXT_ENDS = "text.npy", "text_ends.npy"


class KeywordFacts(TypedDict):
    """What `keywords.json` holds: how many texts, and how their words became keywords."""

    texts: Count
    language: str
    stop_words: list[str]


def build_keywords(texts: Iterable[str], folder: Path, language: str = "en") -> None:
    """Write the index of some texts into an empty folder.

    Args:
        texts: Read once.
        folder: Is there; the caller writes it aside and moves it into its place.
        language: ISO 639-1 code, for stems and stop words.

    Raises:
        SettingsError: If bm25s or PyStemmer is not installed.

    Source:
        BM25: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", with the inverse
        document frequency of Lucene (Kamphuis et al. 2020); its scores computed in advance: bm25s (Lu 2024,
        arXiv:2407.03618).
    """
    common, terms_of = stop_words(language), term_finder(language)
    numbers = {BREAK: 0}
    text, ends = array("i"), array("q")
    for one in texts:
        text.extend([numbers.setdefault(word, len(numbers)) for word in (*split_words(one), BREAK)])
        ends.append(len(text))
    words = sorted(numbers)
    # In the order of the words, so that words with a common beginning are neighbours.
    order = np.empty(len(words), dtype=np.int32)
    order[[numbers[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    sorted_text = order[np.frombuffer(text, dtype=np.int32)] if text else np.zeros(0, dtype=np.int32)
    np.save(folder / TEXT, sorted_text)
    np.save(folder / TEXT_ENDS, np.array(ends, dtype=np.int64))
    SortedWords.write(words, folder, WORDS)
    found = [[term for term in terms_of(word) if term and word not in common] for word in words]
    terms = sorted(set(chain.from_iterable(found)))
    SortedWords.write(terms, folder, TERMS)
    positions = {term: position for position, term in enumerate(terms)}
    termed = _Terms(sorted_text, ends, [[positions[term] for term in one] for one in found])
    for name, values in _scores(termed, len(terms)).items():
        np.save(folder / f"{name}.npy", values)
    facts = {"texts": len(ends), "language": language, "stop_words": sorted(common)}
    (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")


class KeywordIndex:
    """An index of keywords, opened; any number of threads and processes may search it.

    Args:
        folder: Where `build_keywords` wrote it.

    Raises:
        ArtifactError: If a file is missing or damaged.
        SettingsError: If PyStemmer is not installed.
    """

    def __init__(self, folder: Path) -> None:
        facts = read_record(folder / FACTS, KeywordFacts)
        self.texts: int = facts["texts"]
        self.language: str = facts["language"]
        self._common = frozenset(facts["stop_words"])
        self._terms_of = term_finder(self.language)
        self._terms = SortedWords(folder, TERMS)
        names = ("data", "indices", "indptr")
        self._data, self._indices, self._starts = (open_array(folder / f"{name}.npy") for name in names)

    def scores(self, query: str) -> np.ndarray:
        """The BM25 score of every text, `(texts,)` float32; 0 where it shares no keyword with the query.

        Args:
            query: Of any length; nothing has a score where all its words are stop words or in no text.
        """
        scores = np.zeros(self.texts, dtype=np.float32)
        words = [word for word in split_words(query) if word not in self._common]
        repeats = Counter(term for word in words for term in self._terms_of(word))
        for term, times in repeats.items():
            number = self._terms.find(term)
            if number is not None:
                here = slice(int(self._starts[number]), int(self._starts[number + 1]))
                # No text stands twice among those of one term.
                scores[self._indices[here]] += times * self._data[here]
        return scores

    def largest_share(self, query: str) -> float:
        """The largest share of the query's distinct keywords that one text holds; 0 where it has none."""
        wanted = {term for word in split_words(query) if word not in self._common for term in self._terms_of(word)}
        found = np.zeros(self.texts, dtype=np.int32)
        for term in wanted:
            number = self._terms.find(term)
            if number is not None:
                found[self._indices[int(self._starts[number]) : int(self._starts[number + 1])]] += 1
        return float(found.max(initial=0)) / max(1, len(wanted))


class _Terms:
    """The terms of each text, made when they are asked for: as lists they would take ten times the memory."""

    def __init__(self, text: np.ndarray, ends: "array[int]", terms: list[list[int]]) -> None:
        self._text, self._ends, self._terms = text, ends, terms

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[list[int]]:
        for start, end in pairwise([0, *self._ends]):
            yield [term for word in self._text[start:end].tolist() for term in self._terms[word]]


def _scores(texts: _Terms, terms: int) -> dict[str, np.ndarray]:
    """What each term adds to the score of the texts that hold it, as a sparse matrix by columns (terms)."""
    try:
        import bm25s
    except ImportError:
        raise SettingsError(NEEDS_SEARCH) from None
    if not terms:
        nothing = np.zeros(0, dtype=np.int32)
        return {"data": nothing.astype(np.float32), "indices": nothing, "indptr": np.zeros(1, dtype=np.int64)}
    maker = bm25s.BM25(k1=K1, b=B, method="lucene")
    found = maker.build_index_from_ids(range(terms), texts, show_progress=False)
    return {name: found[name] for name in ("data", "indices", "indptr")}
