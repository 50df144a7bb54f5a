"""MinHash signatures of texts, cut into bands: texts that share a band may be alike, and others need no comparison.

A signature's rows are a few random orders of all shingles. Each order is cut into bins, and a text's value in a bin is
its first shingle there, so that a single pass over the shingles gives a row of values (one-permutation hashing). Band b
holds the b-th value of every row. Two texts have the same value with the probability of their Jaccard similarity J, and
share a band with probability J to the power of the rows.

Source: Li, Owen and Zhang 2012, "One Permutation Hashing"; Shrivastava 2017, "Optimal Densification for Fast and
    Accurate Minwise Hashing" (arXiv 1703.04664), for the bins in which a text has no shingle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.shingles import SHINGLE_CHARACTERS, Shingles, shingles_of
from trifold.events import Advance

# Values of a signature, and the most rows of a band: more would cost more and find no more.
_VALUES, _MOST_ROWS = 128, 6
# Of pairs that are as alike as the threshold asks, the share that must meet in a band.
_RECALL = 0.995
# Characters that are hashed at once: what is computed of them then stays in the processor's cache.
_CHARACTERS_AT_ONCE = 1 << 17
_EMPTY = np.uint32(0xFFFFFFFF)
# Standard deviations by which an estimate from signatures may lie below the truth.
_SURE = 3.5


@dataclass(frozen=True)
class Banding:
    """How a signature is cut.

    Attributes:
        bands: Places at which two texts may meet.
        rows: Values that must be equal for that.
    """

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """The probability that two texts of this Jaccard similarity share a band."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def banding_for(threshold: float) -> Banding:
    """The bands that let through the fewest others while they lose at most one in 200 pairs at the threshold."""
    choices = (Banding(_VALUES // rows, rows) for rows in range(_MOST_ROWS, 0, -1))
    return next((one for one in choices if one.recall(threshold) >= _RECALL), Banding(_VALUES, 1))


def signatures_of(texts: Sequence[str], banding: Banding, advance: Advance = lambda _: None) -> np.ndarray:
    """The signatures of texts, the same on every machine.

    Args:
        texts: As `words_alone` gives them.
        banding: How they are cut.
        advance: Told how many more texts are done.

    Returns:
        `(texts, bands, rows)` uint16.
    """
    found = np.empty((len(texts), banding.bands, banding.rows), dtype=np.uint16)
    orders = _Orders(banding)
    for start, end in _chunks(texts):
        found[start:end] = orders.signatures(shingles_of(texts[start:end]))
        advance(end - start)
    return found


def band_keys(band: np.ndarray) -> np.ndarray:
    """A number for each text, the same for those that share a band.

    Args:
        band: `(texts, rows)` uint16, that band of their signatures.

    Returns:
        `(texts,)` uint64.
    """
    keys = np.zeros(len(band), dtype=np.uint64)
    for row in range(band.shape[1]):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + band[:, row]
    return keys


def may_reach(
    threshold: float, signatures: np.ndarray, sizes: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Which pairs may be as alike as the threshold asks, as far as sizes and signatures tell; `(pairs,)` bool.

    Args:
        threshold: Of Jaccard similarity.
        signatures: As `signatures_of` gives them.
        sizes: `(texts,)`, about how many shingles each text has.
        left: `(pairs,)`, positions of texts.
        right: Likewise.
    """
    equal = np.count_nonzero(signatures[left] == signatures[right], axis=(1, 2)) / signatures[0].size
    # A short text has few shingles to be first, so that its values say less than their number.
    told_by = np.minimum(np.minimum(sizes[left], sizes[right]), signatures[0].size)
    spread = _SURE * np.sqrt(threshold * (1 - threshold) / told_by)
    found: np.ndarray = equal >= threshold - spread
    return found


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where slices of texts begin and end that have about as many characters, or a single longer text."""
    start, characters = 0, 0
    for position, text in enumerate(texts):
        characters += max(len(text), SHINGLE_CHARACTERS)
        if characters >= _CHARACTERS_AT_ONCE:
            yield start, position + 1
            start, characters = position + 1, 0
    if start < len(texts):
        yield start, len(texts)


class _Orders:
    """The random orders of all shingles, one for each row of a band."""

    def __init__(self, banding: Banding) -> None:
        draw = np.random.default_rng(0)
        self._bands = banding.bands
        self._salts = draw.integers(0, 2**64, banding.rows, dtype=np.uint64)
        self._factors = draw.integers(0, 2**64, (banding.rows, 2), dtype=np.uint64) | np.uint64(1)
        # For each bin the others in an order of its own: where a text has no shingle in it, the first that has one
        # stands for it, for every text the same.
        self._donors = np.argsort(draw.random((banding.bands, banding.bands)), axis=1)

    def signatures(self, shingles: Shingles) -> np.ndarray:
        """Of the texts of a chunk, `(texts, bands, rows)` uint16."""
        texts, rows = len(shingles.starts) - 1, len(self._salts)
        first_bin = np.repeat(np.arange(texts, dtype=np.int64) * self._bands, np.diff(shingles.starts))
        found = np.empty((texts, self._bands, rows), dtype=np.uint16)
        for row in range(rows):
            place = (shingles.hashes ^ self._salts[row]) * self._factors[row, 0]
            place ^= place >> np.uint64(32)
            place *= self._factors[row, 1]
            bins = ((place >> np.uint64(32)) * np.uint64(self._bands)) >> np.uint64(32)
            values = np.full(texts * self._bands, _EMPTY, dtype=np.uint32)
            np.minimum.at(values, first_bin + bins.astype(np.int64), place.astype(np.uint32))
            filled = self._filled(values.reshape(texts, self._bands))
            found[:, :, row] = (filled * np.uint32(0x9E3779B1)) >> np.uint32(16)
        return found

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """`(texts, bands)` with a value in every bin."""
        short = np.flatnonzero((values == _EMPTY).any(axis=1))
        given, taken = values[short], values[short].copy()
        for step in range(self._bands):
            missing = taken == _EMPTY
            if not missing.any():
                break
            taken[missing] = given[:, self._donors[:, step]][missing]
        values[short] = taken
        return values
