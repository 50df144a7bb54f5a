"""What is shown of a passage: the part around the sentence that matches best, with what matches marked."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trifold.documents.language.sentences import Sentence, split_sentences

_WORD = re.compile(r"\w+")
# Query words that are looked for; a query may be a whole document.
_MAX_QUERY_WORDS = 1_000
# Characters that a snippet has at most, and has around the matching sentence where that is long.
_SNIPPET_CHARACTERS, _AROUND_MARK = 320, 120
# Two words are forms of one if the shorter has so many letters, begins the longer, and lacks so few.
_STEM_LETTERS, _ENDING_LETTERS = 4, 3
# A word of more than this share of the sentences tells none of them from the others.
_COMMON_SHARE = 0.5
_FEW_SENTENCES = 4


@dataclass(frozen=True)
class Mark:
    """A matching part of a snippet.

    Attributes:
        start: Position of its first character in the snippet.
        end: Position after its last character.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Snippet:
    """A part of a passage to show.

    Attributes:
        start: Position of its first character in the document.
        text: The characters.
        marks: The query's words in the best sentence, or where it has none of them the whole sentence; in order.
    """

    start: int
    text: str
    marks: tuple[Mark, ...]


def make_snippets(query: str, passages: Sequence[str], starts: Sequence[int], language: str) -> list[Snippet]:
    """A snippet of each passage.

    A sentence is the better, the more of the query's words it has, words that few sentences of these passages have
    counting more; of equal ones the first is taken.

    Args:
        query: Of any length.
        passages: What was found for it.
        starts: Where each passage begins in its document.
        language: ISO 639-1 code, by which sentences are found.
    """
    wanted = list(dict.fromkeys(word.casefold() for word in _WORD.findall(query)))[:_MAX_QUERY_WORDS]
    sentences = [split_sentences(text, language) or [Sentence(0, len(text), text)] for text in passages]
    asked = _QueryWords(wanted)
    words = [[_matches(one.text, asked) for one in some] for some in sentences]
    seen = Counter(word for some in words for one in some for word in set(one.values()))
    total = sum(map(len, sentences))
    common = {word for word, count in seen.items() if total > _FEW_SENTENCES and count > _COMMON_SHARE * total}
    found = []
    for text, start, some, matched in zip(passages, starts, sentences, words, strict=True):
        told = [{span: word for span, word in one.items() if word not in common} for one in matched]
        scores = [sum(1 / seen[word] for word in set(one.values())) for one in told]
        best = max(range(len(some)), key=lambda n: (scores[n], -n))
        sentence = some[best]
        spans = [(sentence.start + first, sentence.start + end) for first, end in told[best]]
        found.append(_cut(text, start, sentence, spans or [(sentence.start, sentence.end)]))
    return found


class _QueryWords:
    """The words of a query, to be looked up in any of their forms, however many they are."""

    def __init__(self, words: Sequence[str]) -> None:
        self._places = {word: place for place, word in enumerate(words)}
        # What may be left of a word without its ending to the first word of which it is left.
        self._shortened: dict[str, str] = {}
        for word in words:
            for start in _shortened(word):
                self._shortened.setdefault(start, word)

    def find(self, word: str) -> str | None:
        """The word of the query that this is, or else the first of which it is a form; `None` where it is none."""
        if word in self._places:
            return word
        forms = [start for start in _shortened(word) if start in self._places]
        if word in self._shortened:
            forms.append(self._shortened[word])
        return min(forms, key=self._places.__getitem__, default=None)


def _matches(sentence: str, wanted: _QueryWords) -> dict[tuple[int, int], str]:
    """Where words of the query stand in a sentence, and which of its words each is."""
    found = {match.span(): wanted.find(match[0].casefold()) for match in _WORD.finditer(sentence)}
    return {span: word for span, word in found.items() if word is not None}


def _shortened(word: str) -> list[str]:
    return [word[:length] for length in range(max(_STEM_LETTERS, len(word) - _ENDING_LETTERS), len(word))]


def _cut(text: str, start: int, sentence: Sentence, spans: Sequence[tuple[int, int]]) -> Snippet:
    """The part of a passage around the best sentence, or around the first mark where that is long."""
    first, end = 0, len(text)
    if len(text) > _SNIPPET_CHARACTERS:
        room = _SNIPPET_CHARACTERS - (sentence.end - sentence.start)
        first = sentence.start - room // 3 if room > 0 else max(sentence.start, spans[0][0] - _AROUND_MARK)
        first = _at_word(text, max(0, min(first, len(text) - _SNIPPET_CHARACTERS)), forward=True)
        end = _at_word(text, min(len(text), first + _SNIPPET_CHARACTERS), forward=False)
    marks = tuple(Mark(max(a, first) - first, min(b, end) - first) for a, b in spans if a < end and b > first)
    return Snippet(start + first, text[first:end], marks)


def _at_word(text: str, position: int, *, forward: bool) -> int:
    """The nearest place between words; the place itself where the text has no white space near."""
    if position in (0, len(text)):
        return position
    if forward:
        found = re.compile(r"\s").search(text, position - 1, position + 40)
        return found.end() if found else position
    cut = max(text.rfind(mark, position - 40, position + 1) for mark in " \n\t")
    return cut if cut > 0 else position
