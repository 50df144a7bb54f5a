"""A text as the set of its shingles, overlapping pieces of five characters, and how alike two such sets are.

Case, spaces and punctuation have no say in it.
"""

import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHINGLE_CHARACTERS = 5
# ASCII's, Unicode's blocks of general punctuation and of Chinese and Japanese, and single ones of Latin-1, Arabic and
# Indian scripts. What NFKC turns into these needs no mention.
_OTHER_PUNCTUATION = (*range(0x2010, 0x2028), *range(0x2030, 0x205F), *range(0x3001, 0x3004), *range(0x3008, 0x3012))
_PUNCTUATION = str.maketrans(
    dict.fromkeys(string.punctuation + "«»·¡¿،؛؟।॥・" + "".join(map(chr, _OTHER_PUNCTUATION)), " ")
)
# A weight for each place of a shingle: odd, of 64 bits and without a pattern.
_WEIGHTS = tuple(np.random.default_rng(0).integers(0, 2**64, SHINGLE_CHARACTERS, dtype=np.uint64) | np.uint64(1))
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class Shingles:
    """The shingles of some texts, one text behind the other.

    Attributes:
        hashes: `(shingles,)` uint64; the same piece has the same hash in every text.
        starts: `(texts + 1,)` int64, where each text's shingles begin, and the last one's end.
    """

    hashes: np.ndarray
    starts: np.ndarray


def normalise(text: str) -> str:
    """A text without what does not make it another text: Unicode's ways to write the same, case, and spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_alone(normal: str) -> str:
    """A normalised text without punctuation; the text itself where it is nothing but punctuation."""
    return " ".join(normal.translate(_PUNCTUATION).split()) or normal


def shingles_of(texts: Sequence[str]) -> Shingles:
    """The shingles of texts, each with at least one: a shorter text is a shingle of its own.

    Args:
        texts: As `words_alone` gives them.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) over a multilinear
        hash of the code points.
    """
    padded = [text.ljust(SHINGLE_CHARACTERS, "\0") for text in texts]
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    starts = np.zeros(len(padded) + 1, dtype=np.int64)
    np.cumsum(lengths - (SHINGLE_CHARACTERS - 1), out=starts[1:])
    if not padded:
        return Shingles(np.zeros(0, dtype=np.uint64), starts)
    written = "".join(padded).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(written, dtype="<u4").astype(np.uint64)
    windows = len(codes) - (SHINGLE_CHARACTERS - 1)
    hashes = codes[:windows] * _WEIGHTS[0]
    for place, weight in enumerate(_WEIGHTS[1:], start=1):
        hashes += codes[place : place + windows] * weight
    if len(padded) > 1:
        # No shingle reaches from one text into the next.
        inside = np.ones(len(codes), dtype=bool)
        inside[np.cumsum(lengths)[:, None] - np.arange(1, SHINGLE_CHARACTERS)] = False
        hashes = hashes[inside[:windows]]
    hashes ^= hashes >> np.uint64(30)
    hashes *= _MIX[0]
    hashes ^= hashes >> np.uint64(27)
    hashes *= _MIX[1]
    hashes ^= hashes >> np.uint64(31)
    return Shingles(hashes, starts)


def shingle_set(text: str) -> np.ndarray:
    """The distinct shingles of one text, `(shingles,)` uint64, in ascending order."""
    return np.unique(shingles_of([text]).hashes)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Shingles that two sets share, as a share of those that either has.

    Args:
        one: As `shingle_set` gives it.
        other: Likewise.
    """
    both = np.concatenate([one, other])
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
