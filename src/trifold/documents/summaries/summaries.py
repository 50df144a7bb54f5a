"""Summaries made of a text's own sentences: those that the rest of the text says again, and that differ.

Nothing is learned from other texts; the weights below were chosen on documents set aside (docs/decisions/0028).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from trifold.documents.language.sentences import Sentence, split_sentences
from trifold.documents.summaries.settings import SummarySettings

# Vectors of length 1 of some sentences, `(sentences, width)`.
Encode = Callable[[Sequence[str]], np.ndarray]
# Their words by weight, `(sentences, words)`, in rows of length 1.
Weigh = Callable[[Sequence[str]], csr_matrix]

# Characters of the longest sentence; what goes on for longer without an end is cut at a space.
_LONGEST = 600
# What a sentence's similarity to all others counts by vectors, where that by words counts 1.
_MEANING = 0.5
# What the text itself shows about places counts, and the preference for its beginning.
_PLACE, _LEAD = 2.0, 2.0
# A sentence of more words than this says too much for a summary.
_LONG, _LONG_WORDS = 2.0, 25.0
# What similarity to those chosen before costs.
_REPETITION = 0.5


@dataclass(frozen=True)
class SummarySentence:
    """A sentence of a text that stands in its summary.

    Attributes:
        number: Its number in the text, from 0.
        start: Position of its first character in the text.
        end: Position after its last character.
        text: The sentence.
        score: How much it stands for the text; comparable within one text only.
    """

    number: int
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class Summary:
    """The summary of a text.

    Attributes:
        sentences: In the order of the text.
        of: Number of sentences of the text.
    """

    sentences: tuple[SummarySentence, ...]
    of: int

    @cached_property
    def text(self) -> str:
        """The sentences, one behind the other."""
        return " ".join(" ".join(sentence.text.split()) for sentence in self.sentences)


def summarize(
    texts: Sequence[str], encode: Encode, weigh: Weigh, settings: SummarySettings | None = None
) -> list[Summary]:
    """Summarize some texts by sentences of their own.

    Args:
        texts: Of any length; all sentences of all of them are encoded together.
        encode: Gives vectors, such as `TextEmbedder.encode`.
        weigh: Gives the words, such as `WordWeights`.
        settings: What the summaries are like.
    """
    settings = settings or SummarySettings()
    split = [list(bounded_sentences(text, settings.language)) for text in texts]
    # A text that has no more sentences than its summary needs no choice.
    chosen_from = [sentences if len(sentences) > settings.sentences else [] for sentences in split]
    flat = [" ".join(sentence.text.split()) for sentences in chosen_from for sentence in sentences]
    vectors = encode(flat) if flat else np.zeros((0, 1), dtype=np.float32)
    ends = np.cumsum([len(sentences) for sentences in chosen_from])
    found = []
    for sentences, end, of_text in zip(chosen_from, ends, split, strict=True):
        if not sentences:
            scores, kept = np.ones(len(of_text)), list(range(len(of_text)))
        else:
            own = vectors[end - len(sentences) : end]
            scores = score_sentences(own, weigh(flat[end - len(sentences) : end]), settings)
            kept = choose(scores, own, settings.sentences)
        picked = (SummarySentence(n, of_text[n].start, of_text[n].end, of_text[n].text, float(scores[n])) for n in kept)
        found.append(Summary(tuple(picked), len(of_text)))
    return found


def bounded_sentences(text: str, language: str) -> Iterator[Sentence]:
    """The sentences of a text, each at most 600 characters long."""
    for sentence in split_sentences(text, language):
        start = sentence.start
        while sentence.end - start > _LONGEST:
            space = max(text.rfind(" ", start + 1, start + _LONGEST), text.rfind("\n", start + 1, start + _LONGEST))
            end = space if space > start else start + _LONGEST
            yield from _stripped(text, start, end)
            start = end
        yield from _stripped(text, start, sentence.end)


def _stripped(text: str, start: int, end: int) -> Iterator[Sentence]:
    """A part of a text without the space around it; nothing where it is only space."""
    piece = text[start:end]
    if kept := piece.strip():
        start += len(piece) - len(piece.lstrip())
        yield Sentence(start, start + len(kept), kept)


def score_sentences(vectors: np.ndarray, words: csr_matrix, settings: SummarySettings) -> np.ndarray:
    """How much each sentence stands for its text, `(sentences,)`.

    Its centrality is its product with the mean of all, which is its mean similarity to all, by words and by meaning: no
    matrix of all pairs is needed, so that a book takes no more memory than its vectors. In news the first sentences are
    the central ones, elsewhere perhaps the last: how centrality falls or rises with the logarithm of the place is found
    out from the text itself, by least squares, and counts for all sentences.

    Args:
        vectors: Of all sentences of a text, `(sentences, width)`, of length 1.
        words: Their words, `(sentences, words)`, of length 1.
        settings: Whether the beginning is preferred whatever the text shows.

    Source:
        Radev et al. 2004, "Centroid-based summarization of multiple documents", for centrality by the centroid.
    """
    centre = np.asarray(words.mean(axis=0)).ravel()
    centrality = _standardised(words @ centre) + _MEANING * _standardised(vectors @ vectors.mean(axis=0))
    earliness = -np.log(1.0 + np.arange(len(vectors)))
    centred = earliness - earliness.mean()
    slope = float(centred @ centrality / max(centred @ centred, 1e-9))
    counts = np.maximum(np.diff(words.indptr), 1)
    scores = centrality + _PLACE * slope * centred - _LONG * np.maximum(np.log(counts / _LONG_WORDS), 0)
    return np.asarray(scores + _LEAD * earliness if settings.lead_bias else scores)


def choose(scores: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    """Numbers of the `count` sentences with the highest scores, each lowered by its similarity to those chosen before.

    Args:
        scores: `(sentences,)`.
        vectors: `(sentences, width)`, of length 1.
        count: At most as many as there are.

    Source:
        Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking for Reordering Documents".
    """
    left, chosen = scores.astype(np.float64).copy(), list[int]()
    nearest = np.zeros(len(scores))
    for _ in range(count):
        best = int((left - _REPETITION * nearest).argmax())
        chosen.append(best)
        left[best] = -np.inf
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return sorted(chosen)


def _standardised(values: np.ndarray) -> np.ndarray:
    deviation = values.std()
    return np.asarray((values - values.mean()) / deviation if deviation > 1e-9 else np.zeros(len(values)))
