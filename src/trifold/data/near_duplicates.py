"""Texts that are nearly the same: they share most of their shingles. None is compared with all others.

Candidates meet in a band of their MinHash signatures; what decides is the true Jaccard similarity of their shingles.
In a band that very many texts share, as rows with the same long boilerplate do, each is compared with the few that
follow it in the order of the next bands, so that work grows with the number of texts and never with its square.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.minhash import band_keys, banding_for, may_reach, signatures_of
from trifold.data.shingles import SHINGLE_CHARACTERS, jaccard, shingle_set
from trifold.data.union_find import UnionFind
from trifold.events import track
from trifold.formatting import counted

# Neighbours in a band that a text is compared with: those behind it; or of others, the nearest behind and before it.
_NEIGHBOURS = 8
_STEPS = (0, -1, 1, -2, 2, -3, 3, -4)
# Shingles of sets that are kept for the next comparison.
_KEPT_SHINGLES = 1 << 23
# Pairs whose signatures are looked at together.
_PAIRS_AT_ONCE = 1 << 16
# Fewer texts are done before anyone could look at their progress.
_WORTH_TELLING = 10_000


@dataclass(frozen=True)
class NearPairs:
    """Pairs of texts that are nearly the same; enough of them to connect all that are, not every one.

    Attributes:
        left: `(pairs,)` int64, positions of texts.
        right: `(pairs,)` int64, each larger than its `left`.
        similarity: `(pairs,)` Jaccard similarities.
    """

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray


@dataclass(frozen=True)
class NearCopies:
    """For each of some texts another one that it is nearly the same as.

    Attributes:
        positions: `(texts,)` int64 positions of the others; -1 where none is like it.
        similarity: `(texts,)` Jaccard similarities; 0 where none is.
    """

    positions: np.ndarray
    similarity: np.ndarray


class NearSearch:
    """Finds texts whose Jaccard similarity reaches a threshold.

    Args:
        texts: As `words_alone` gives them.
        threshold: From 0.5 to 1; below it, too many texts meet in a band.
    """

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._texts, self._threshold = texts, threshold
        banding = banding_for(threshold)
        self._bands = banding.bands
        told = len(texts) if len(texts) >= _WORTH_TELLING else 0
        with track(f"looking for near-duplicates among {counted(len(texts), 'text')}", told) as advance:
            self._signatures = signatures_of(texts, banding, advance)
        # A text that says a thing twice has fewer shingles than this; it is only asked about short texts.
        self._sizes = np.maximum(1, np.fromiter(map(len, texts), np.int64, len(texts)) - SHINGLE_CHARACTERS + 1)
        self._sets: dict[int, np.ndarray] = {}
        self._kept = 0
        self._refused: set[tuple[int, int]] = set()

    def pairs(self) -> NearPairs:
        """Pairs of texts that are alike, as many as connect each group of them."""
        groups = UnionFind(len(self._texts))
        found: list[tuple[int, int, float]] = []
        for band in range(self._bands):
            order, keys = self._sorted_by(band, np.arange(len(self._texts)))
            for shift in range(1, _NEIGHBOURS + 1):
                behind = np.flatnonzero(keys[shift:] == keys[:-shift])
                if not len(behind):
                    break
                roots = groups.roots()
                left, right = order[behind], order[behind + shift]
                apart = roots[left] != roots[right]
                for one, other in self._promising(left[apart], right[apart]):
                    if groups.find(one) != groups.find(other) and (similarity := self._compare(one, other)):
                        groups.join(one, other)
                        found.append((min(one, other), max(one, other), similarity))
        pairs = np.array([pair[:2] for pair in found], dtype=np.int64).reshape(-1, 2)
        return NearPairs(pairs[:, 0], pairs[:, 1], np.array([pair[2] for pair in found]))

    def copies(self, of: np.ndarray, among: np.ndarray) -> NearCopies:
        """For each of some texts one of others that it is like.

        Args:
            of: `(texts,)`, positions of those that may be copies.
            among: `(others,)`, positions of those that they may be copies of.
        """
        found, similarity = np.full(len(self._texts), -1, dtype=np.int64), np.zeros(len(self._texts))
        is_other = np.zeros(len(self._texts), dtype=bool)
        is_other[among] = True
        members = np.concatenate([of, among])
        for band in range(self._bands if len(of) and len(among) else 0):
            order, keys = self._sorted_by(band, members)
            where = np.flatnonzero(is_other[order])
            places = np.flatnonzero(~is_other[order] & (found[order] < 0))
            following = np.searchsorted(where, places)
            for step in _STEPS:
                there = following + step
                inside = (there >= 0) & (there < len(where))
                mine, its = places[inside], where[there[inside]]
                meeting = (keys[mine] == keys[its]) & (found[order[mine]] < 0)
                for one, other in self._promising(order[mine[meeting]], order[its[meeting]]):
                    if alike := self._compare(one, other):
                        found[one], similarity[one] = other, alike
        return NearCopies(found[of], similarity[of])

    def _sorted_by(self, band: int, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The order of some texts by a band, those that share the next one too side by side; and their sorted keys."""
        keys, following = (band_keys(self._signatures[members, at % self._bands]) for at in (band, band + 1))
        order = np.lexsort((following, keys))
        return members[order], keys[order]

    def _promising(self, left: np.ndarray, right: np.ndarray) -> Iterator[tuple[int, int]]:
        """Those of some pairs that are worth a comparison, and were not compared before."""
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            one, other = left[start : start + _PAIRS_AT_ONCE], right[start : start + _PAIRS_AT_ONCE]
            kept = may_reach(self._threshold, self._signatures, self._sizes, one, other)
            pairs = zip(one[kept].tolist(), other[kept].tolist(), strict=True)
            yield from ((a, b) for a, b in pairs if (min(a, b), max(a, b)) not in self._refused)

    def _compare(self, one: int, other: int) -> float:
        """The similarity of two texts; 0 where it does not reach the threshold."""
        first, second = self._set(one), self._set(other)
        smaller, larger = sorted((len(first), len(second)))
        similarity = jaccard(first, second) if smaller >= self._threshold * larger else 0.0
        if similarity >= self._threshold:
            return similarity
        self._refused.add((min(one, other), max(one, other)))
        return 0.0

    def _set(self, position: int) -> np.ndarray:
        """The shingles of a text."""
        found = self._sets.get(position)
        if found is None:
            found = shingle_set(self._texts[position])
            self._kept += len(found)
            if self._kept > _KEPT_SHINGLES:
                self._sets.clear()
                self._kept = len(found)
            self._sets[position] = found
        return found
