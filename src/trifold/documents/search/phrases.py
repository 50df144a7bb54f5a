"""The phrases of an index's passages that go on with what was typed.

The words of all passages lie one after the other in a file of numbers (`keywords.py` writes it), so that finding where
a phrase stands is one look through an array, and nothing has to be counted in advance.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trifold.documents.language.stop_words import english_stop_words
from trifold.documents.search.keywords import FACTS, TEXT, TEXT_ENDS, WORDS, KeywordFacts
from trifold.documents.search.mapped_array import open_array
from trifold.documents.search.records import read_record
from trifold.documents.search.sorted_words import SortedWords
from trifold.documents.search.words import BREAK, split_words, without_last_word

# Words of a phrase at most, the completed one included; longer ones would be sentences of the documents.
_MOST_WORDS = 5
# Words before it that decide; a phrase of more is mostly the only one of its kind.
_CONTEXT = 4
# Places that are looked at; of a phrase that stands at more, an even sample.
_PLACES = 50_000
# Phrases that are followed on after each word.
_KEPT = 100
# A longer phrase stands for a shorter one where it makes up this share of its occurrences.
_STANDS_FOR = 0.5
# A phrase is whole where an end follows it at this share of its places; or where its last word has a stop word or an
# end behind it at this share of all its places in the first words of the text, and no one word at that share of them,
# unless it stands there too rarely to tell.
_MOSTLY, _OFTEN, _ALWAYS, _ENOUGH, _SAMPLE = 0.5, 0.4, 0.7, 5, 5_000_000
# The number of `BREAK`, which sorts before every word.
_BREAK_NUMBER = 0

# The numbers of a phrase's words.
_Phrase = tuple[int, ...]


class Phrases:
    """The phrases of an index; any number of threads and processes may ask for them.

    Args:
        folder: Of an index of keywords.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        facts = read_record(folder / FACTS, KeywordFacts)
        common = facts["stop_words"]
        # Keywords leave out 33 words of English alone, as is usual for BM25; no phrase ends in many others.
        fillers = english_stop_words() if facts["language"] == "en" else ()
        self._words = SortedWords(folder, WORDS)
        self._text = open_array(folder / TEXT)
        self._ends = open_array(folder / TEXT_ENDS)
        self._common, self._fillers = (
            {number for word in some if (number := self._words.find(word)) is not None} for some in (common, fillers)
        )

    def complete(self, typed: str, count: int = 10, allowed: np.ndarray | None = None) -> dict[str, int]:
        """What the passages go on with, and how often, most frequent first, in whole phrases.

        A phrase is whole with its last word where a sentence or passage mostly ends, or where that word often stands
        before a stop word or an end, whatever goes before: `risk` does, `increased` does not. Where the typed words
        stand nowhere together, the last of them decide, as many as do.

        Args:
            typed: The beginning of a query. Its last word may be unfinished, unless a space follows it.
            count: The most that are wanted.
            allowed: `(passages,)` bool, whose phrases count; those of all where `None`.

        Returns:
            The whole query, what was typed included, to the number of places.
        """
        head, begun = without_last_word(typed)
        before = [self._words.find(word) for word in split_words(head) if word != BREAK][-_CONTEXT:]
        begins = self._words.beginning_with(begun)
        places = np.zeros(0, dtype=np.int64)
        while (before or begun) and not len(places):
            places = self._allowed(self._places(before, begins), allowed)
            if not before:
                break
            before = before[1:]
        counts, ended = self._counts(places)
        ending = self._ending_words({phrase[-1] for phrase in counts} - self._common - self._fillers)
        whole = {
            phrase: count
            for phrase, count in counts.items()
            if phrase[-1] not in self._common and (phrase[-1] in ending or ended.get(phrase, 0) >= _MOSTLY * count)
        }
        # Where all are cut, something is better than to say that nothing goes on so.
        whole = whole or {phrase: count for phrase, count in counts.items() if phrase[-1] not in self._common}
        found = _chosen(whole, counts, self._words.find(begun) if begun else None)
        start = f"{head.rstrip()} " if head.strip() else ""
        return {start + " ".join(map(self._words.word, phrase)): found[phrase] for phrase in list(found)[:count]}

    def _places(self, before: list[int | None], begins: range) -> np.ndarray:
        """Where a word out of `begins` follows the words `before`; of an unknown word, `None`, nothing does."""
        text = self._text
        if not before:
            return np.flatnonzero((text >= max(begins.start, _BREAK_NUMBER + 1)) & (text < begins.stop))
        if None in before:
            return np.zeros(0, dtype=np.int64)
        # Every passage ends with a break, so that a place behind a word is always one.
        places: np.ndarray = np.flatnonzero(text == before[-1]) + 1
        completed = text[places]
        places = places[(completed >= begins.start) & (completed < begins.stop) & (completed != _BREAK_NUMBER)]
        for back, word in enumerate(reversed(before[:-1]), start=2):
            places = places[places >= back]
            places = places[text[places - back] == word]
        return places

    def _allowed(self, places: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        if allowed is None:
            return places
        found: np.ndarray = places[allowed[np.searchsorted(self._ends, places, side="right")]]
        return found

    def _ending_words(self, words: set[int]) -> set[int]:
        """Those of some words that phrases end with: often before a stop word or an end, not always before the same."""
        text = self._text[:_SAMPLE]
        asked = np.zeros(len(self._words), dtype=bool)
        asked[list(words)] = True
        stops = np.zeros(len(self._words), dtype=bool)
        stops[[_BREAK_NUMBER, *self._common, *self._fillers]] = True
        places = np.flatnonzero(asked[text[:-1]])
        word, following = text[places].astype(np.int64), text[places + 1].astype(np.int64)
        times = np.bincount(word, minlength=len(self._words))
        before_stop = np.bincount(word, stops[following], minlength=len(self._words))
        inside = following != _BREAK_NUMBER
        pairs, counts = np.unique(word[inside] * len(self._words) + following[inside], return_counts=True)
        commonest = np.zeros(len(self._words))
        np.maximum.at(commonest, pairs // len(self._words), counts)
        ends = (before_stop >= _OFTEN * times) & ((commonest < _ALWAYS * times) | (times < _ENOUGH))
        return set(np.flatnonzero(ends & (times > 0)).tolist())

    def _counts(self, places: np.ndarray) -> tuple[dict[_Phrase, int], dict[_Phrase, int]]:
        """The phrases that begin at some places, of every length: how often they do, and how often an end follows."""
        weight = max(1.0, len(places) / _PLACES)
        if weight > 1:
            places = places[np.linspace(0, len(places) - 1, _PLACES).astype(np.int64)]
        counts: dict[_Phrase, int] = {}
        ended: dict[_Phrase, int] = {}
        phrases: list[_Phrase] = [()]
        # Which of `phrases` has been read at each place so far.
        read = np.zeros(len(places), dtype=np.int64)
        for step in range(_MOST_WORDS + 1):
            words = self._text[np.minimum(places + step, len(self._text) - 1)].astype(np.int64)
            going_on = words != _BREAK_NUMBER
            ends = np.bincount(read[~going_on], minlength=len(phrases)).tolist()
            ended |= {phrase: round(weight * times) for phrase, times in zip(phrases, ends, strict=True)}
            if step == _MOST_WORDS:
                break
            places, read, words = places[going_on], read[going_on], words[going_on]
            distinct, where, times = np.unique(read * len(self._words) + words, return_inverse=True, return_counts=True)
            kept = np.argsort(-times, kind="stable")[:_KEPT]
            phrases = [(*phrases[key // len(self._words)], int(key % len(self._words))) for key in distinct[kept]]
            counts |= {phrase: round(weight * int(times[one])) for phrase, one in zip(phrases, kept, strict=True)}
            renumbered = np.full(len(distinct), -1, dtype=np.int64)
            renumbered[kept] = np.arange(len(kept))
            read = renumbered[where]
            places, read = places[read >= 0], read[read >= 0]
        return counts, ended


def _chosen(whole: Mapping[_Phrase, int], counts: Mapping[_Phrase, int], begun: int | None) -> dict[_Phrase, int]:
    """The phrases that are worth showing, most frequent first.

    Args:
        whole: Phrases that do not end in their midst.
        counts: These and their beginnings.
        begun: The word that was begun, where it is a word by itself: alone it completes nothing.
    """
    complete = [phrase for phrase in whole if phrase != (begun,)]
    stood_for = {
        phrase[:length]
        for phrase in complete
        for length in range(1, len(phrase))
        if counts[phrase] >= _STANDS_FOR * counts.get(phrase[:length], 0)
    }
    left = [phrase for phrase in complete if phrase not in stood_for]
    return {phrase: counts[phrase] for phrase in sorted(left, key=lambda phrase: -counts[phrase])}
