"""What is shown of a passage: the part around the sentence that matches best, with what matches marked."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trifold.documents.sentences import Sentence, split_sentences

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
    words = [[_matches(one.text, wanted) for one in some] for some in sentences]
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


def _matches(sentence: str, wanted: Sequence[str]) -> dict[tuple[int, int], str]:
    """Where words of the query stand in a sentence, and which of its words each is."""
    found = {}
    for match in _WORD.finditer(sentence):
        word = match[0].casefold()
        same = word if word in wanted else next((one for one in wanted if _same_stem(one, word)), None)
        if same is not None:
            found[match.span()] = same
    return found


def _same_stem(first: str, second: str) -> bool:
    short, long = sorted((first, second), key=len)
    return len(short) >= _STEM_LETTERS and len(long) - len(short) <= _ENDING_LETTERS and long.startswith(short)


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
