"""ROUGE: how many words, pairs of words and runs of words a summary shares with a reference."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from trifold.word_characters import SPACED_RUN, UNSPACED_CHARACTER

# Of scripts without spaces, each character counts as a word.
_WORD = re.compile(f"{UNSPACED_CHARACTER}|{SPACED_RUN}")
# Shorter words are left as they are, as in the published evaluation script.
_SHORTEST_STEMMED = 4

Stem = Callable[[str], str]


@dataclass(frozen=True)
class Rouge:
    """F1 of a summary against a reference, each from 0 to 1.

    Attributes:
        rouge_1: Of single words.
        rouge_2: Of pairs of neighbouring words.
        rouge_l: Of the longest common subsequences, sentence by sentence ("summary level").
    """

    rouge_1: float
    rouge_2: float
    rouge_l: float


def rouge(summary: Sequence[str], reference: Sequence[str], stem: Stem | None = None) -> Rouge:
    """Compare a summary with a reference.

    Args:
        summary: Its sentences.
        reference: Its sentences.
        stem: Makes words of one stem equal, such as a Porter stemmer; words count as they are where `None`.

    Source:
        Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    said, wanted = ([_words(sentence, stem) for sentence in text] for text in (summary, reference))
    flat_said, flat_wanted = list(chain(*said)), list(chain(*wanted))
    return Rouge(
        _overlap(flat_said, flat_wanted),
        _overlap(list(pairwise(flat_said)), list(pairwise(flat_wanted))),
        _f1(_union_hits(said, wanted), len(flat_said), len(flat_wanted)),
    )


def _words(sentence: str, stem: Stem | None) -> list[str]:
    words: list[str] = _WORD.findall(sentence.lower())
    return [stem(word) if len(word) >= _SHORTEST_STEMMED else word for word in words] if stem else words


def _overlap(said: Sequence[object], wanted: Sequence[object]) -> float:
    return _f1((Counter(said) & Counter(wanted)).total(), len(said), len(wanted))


def _f1(hits: int, said: int, wanted: int) -> float:
    return 2 * hits / (said + wanted) if hits else 0.0


def _union_hits(said: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> int:
    """Words of the reference that lie on a common subsequence with some sentence, each of the summary's words once."""
    left_said = Counter(word for sentence in said for word in sentence)
    left_wanted = Counter(word for sentence in wanted for word in sentence)
    hits = 0
    for sentence in wanted:
        places = sorted({place for other in said for place in _common_places(sentence, other)})
        for word in (sentence[place] for place in places):
            if left_said[word] > 0 and left_wanted[word] > 0:
                left_said[word] -= 1
                left_wanted[word] -= 1
                hits += 1
    return hits


def _common_places(first: Sequence[str], second: Sequence[str]) -> Iterable[int]:
    """Places in `first` of a longest common subsequence of both."""
    lengths = [[0] * (len(second) + 1)]
    for word in first:
        above, row = lengths[-1], [0]
        for place, other in enumerate(second):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
        lengths.append(row)
    found, i, j = [], len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            found.append(i)
        elif lengths[i][j - 1] > lengths[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return found
