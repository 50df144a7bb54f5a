"""Cut documents into passages that a model reads whole: sentences, packed up to a number of tokens, with an overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from trifold.documents.language.sentences import split_sentences
from trifold.models.tokenizer import Tokenizer

# Beginning and end of a piece of a text.
_Span = tuple[int, int]


@dataclass(frozen=True)
class Passage:
    """A part of a document.

    Attributes:
        start: Position of its first character in the document.
        end: Position after its last character.
        text: The characters between.
    """

    start: int
    end: int
    text: str


class PassageSplitter:
    """Splits documents into passages of at most as many tokens as a tokenizer keeps.

    Args:
        tokenizer: Its maximum length is that of a passage, special tokens included.
        prompt: What the model reads before every passage.
        overlap_sentences: Sentences at the end of a passage with which the next one begins, where there is room.
        language: ISO 639-1 code, by which sentences are found.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: str, overlap_sentences: int, language: str) -> None:
        self._tokenizer, self._overlap, self._language = tokenizer, overlap_sentences, language
        around, alone = (int(length) for length in tokenizer.encode([prompt, ""]).lengths)
        # Tokens around every text, and what is left for the passage itself.
        self._special, self._room = alone, tokenizer.max_length - around

    def split(self, texts: Sequence[str]) -> list[list[Passage]]:
        """The passages of each text; one that is short enough is a passage as a whole."""
        # A token stands for at least one byte, so the shortest need not be tokenised.
        long = [n for n, text in enumerate(texts) if len(text) > self._room or len(text.encode()) > self._room]
        cut = self._tokenizer.encode([texts[n] for n in long]).truncated
        longer = {n for n, truncated in zip(long, cut, strict=True) if truncated}
        return [self._passages(text) if n in longer else [Passage(0, len(text), text)] for n, text in enumerate(texts)]

    def _passages(self, text: str) -> list[Passage]:
        # What stands between two sentences is read with the first of them.
        starts = [sentence.start for sentence in split_sentences(text, self._language)]
        spans = list(pairwise([0, *starts[1:], len(text)]))
        spans, lengths = self._halved(text, spans)
        found = []
        for first, end in _packed(lengths, self._room, self._overlap):
            start, stop = spans[first][0], spans[end - 1][1]
            part = text[start:stop]
            start, part = start + len(part) - len(part.lstrip()), part.strip()
            if part:
                found.append(Passage(start, start + len(part), part))
        return found or [Passage(0, len(text), text)]

    def _halved(self, text: str, spans: list[_Span]) -> tuple[list[_Span], list[int]]:
        """The spans and their tokens, those that are too long for a passage halved until they are not."""
        lengths: dict[_Span, int] = {}
        while unknown := [span for span in spans if span not in lengths]:
            tokens = self._tokenizer.encode([text[start:end] for start, end in unknown])
            too_long = set()
            for span, length, truncated in zip(unknown, tokens.lengths, tokens.truncated, strict=True):
                lengths[span] = max(0, int(length) - self._special)
                if truncated and span[1] - span[0] > 1:
                    too_long.add(span)
            if too_long:
                spans = [half for span in spans for half in (_halves(text, span) if span in too_long else (span,))]
        return spans, [lengths[span] for span in spans]


def _halves(text: str, span: _Span) -> tuple[_Span, _Span]:
    """Both halves of a span, cut at the last white space of its first half where there is one."""
    start, end = span
    middle = (start + end) // 2
    white = max(text.rfind(mark, start + (middle - start) // 2, middle) for mark in " \n\t") + 1 or middle
    return (start, white), (white, end)


def _packed(lengths: Sequence[int], room: int, overlap: int) -> list[tuple[int, int]]:
    """First and last (exclusive) sentence of each passage.

    Args:
        lengths: Tokens of each sentence.
        room: Tokens of a passage.
        overlap: Sentences of a passage that come again in the next, as far as they leave room for a new one.
    """
    found, first = [], 0
    while first < len(lengths):
        end, total = first + 1, lengths[first]
        while end < len(lengths) and total + lengths[end] <= room:
            total += lengths[end]
            end += 1
        found.append((first, end))
        if end == len(lengths):
            break
        again, shared = end, lengths[end]
        while end - again < overlap and again - 1 > first and shared + lengths[again - 1] <= room:
            again -= 1
            shared += lengths[again]
        first = again
    return found
