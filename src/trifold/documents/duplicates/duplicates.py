"""Texts of one collection that say the same as another one: to the letter, nearly, or in other words.

Each step goes on with one text of every group that the one before has found, so that what repeats a hundred thousand
times is compared once. Groups are connected pairs: its members are each like another one of them, not all like all.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trifold.data.near_duplicates import NearSearch
from trifold.data.shingles import jaccard, normalise, shingle_set, words_alone
from trifold.data.union_find import UnionFind
from trifold.documents.duplicates.semantic_pairs import semantic_copies, semantic_pairs
from trifold.documents.duplicates.settings import DuplicateSettings

Kind = Literal["exact", "near", "semantic"]
KINDS: tuple[Kind, ...] = ("exact", "near", "semantic")
# Texts to `(texts, width)` float32 of length 1.
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Copy:
    """A text that another one stands for.

    Attributes:
        position: Of the text.
        of: Position of the one that stands for it.
        kind: `exact` where both are the same but for case, spaces and Unicode's ways to write the same; `near` where
            shared shingles connect them; `semantic` where it takes vectors.
        similarity: With the one that stands for it: 1 of exact copies, else the Jaccard similarity of their shingles or
            the cosine of their vectors. Below the threshold where others connect the two.
    """

    position: int
    of: int
    kind: Kind
    similarity: float


@dataclass(frozen=True)
class Cluster:
    """Texts that say the same.

    Attributes:
        first: Position of the one that stands for them, the first.
        copies: The others, in their order.
    """

    first: int
    copies: tuple[Copy, ...]


def find_duplicates(
    texts: Sequence[str], settings: DuplicateSettings | None = None, encode: Encode | None = None
) -> list[Cluster]:
    """The groups of texts that say the same, in the order of their first texts; others are in none.

    Args:
        texts: Any number; nothing is compared with everything but vectors, and those a block at a time.
        settings: What counts as the same.
        encode: Needed where `settings.semantic`.
    """
    settings = settings or DuplicateSettings()
    normal = [normalise(text) for text in texts]
    same_as = _first_of_same(normal)
    distinct = np.flatnonzero(same_as == np.arange(len(texts)))
    groups, semantic_groups = UnionFind(len(texts)), UnionFind(len(texts))
    words = [words_alone(normal[i]) for i in distinct]
    pairs = NearSearch(words, settings.threshold).pairs()
    for left, right in zip(distinct[pairs.left].tolist(), distinct[pairs.right].tolist(), strict=True):
        groups.join(left, right)
    near_as = groups.roots()
    vector_at: dict[int, np.ndarray] = {}
    if settings.semantic:
        assert encode is not None
        heads = distinct[near_as[distinct] == distinct]
        vectors = encode([texts[i] for i in heads])
        for left_rows, right_rows, _ in semantic_pairs(vectors, settings.semantic_threshold):
            for left, right in _spanning(left_rows, right_rows):
                semantic_groups.join(int(heads[left]), int(heads[right]))
        vector_at = dict(zip(heads.tolist(), vectors, strict=True))
    meant_as = semantic_groups.roots()
    found: dict[int, list[Copy]] = {}
    for position in range(len(texts)):
        same = int(same_as[position])
        near = int(near_as[same])
        first = int(meant_as[near])
        if first == position:
            continue
        if first != near:
            copy = Copy(position, first, "semantic", float(vector_at[near] @ vector_at[first]))
        elif first != same:
            copy = Copy(position, first, "near", _likeness(normal[position], normal[first]))
        else:
            copy = Copy(position, first, "exact", 1.0)
        found.setdefault(first, []).append(copy)
    return [Cluster(first, tuple(copies)) for first, copies in sorted(found.items())]


def find_copies(
    texts: Sequence[str],
    others: Sequence[str],
    settings: DuplicateSettings | None = None,
    encode: Encode | None = None,
) -> list[Copy]:
    """The texts that also stand among others, exactly, nearly or in other words; `Copy.of` counts the others.

    Args:
        texts: Those that may be copies.
        others: Those that they may be copies of.
        settings: What counts as the same.
        encode: Needed where `settings.semantic`.
    """
    settings = settings or DuplicateSettings()
    normal, normal_others = [normalise(text) for text in texts], [normalise(text) for text in others]
    first_other: dict[str, int] = {}
    for position, text in enumerate(normal_others):
        first_other.setdefault(text, position)
    found = {
        position: Copy(position, first_other[text], "exact", 1.0)
        for position, text in enumerate(normal)
        if text in first_other
    }
    open_at = np.array([i for i in range(len(texts)) if i not in found], dtype=np.int64)
    other_at = np.array(list(first_other.values()), dtype=np.int64)
    words = [words_alone(text) for text in (*(normal[i] for i in open_at), *(normal_others[i] for i in other_at))]
    search = NearSearch(words, settings.threshold)
    of, among = np.arange(len(open_at)), np.arange(len(open_at), len(words))
    near = search.copies(of, among)
    for place in np.flatnonzero(near.positions >= 0):
        position = int(open_at[place])
        other = int(other_at[near.positions[place] - len(open_at)])
        found[position] = Copy(position, other, "near", float(near.similarity[place]))
    open_at = open_at[near.positions < 0]
    if settings.semantic and len(open_at) and len(other_at):
        assert encode is not None
        vectors, its = encode([texts[i] for i in open_at]), encode([others[i] for i in other_at])
        positions, cosines = semantic_copies(vectors, its, settings.semantic_threshold)
        for place in np.flatnonzero(positions >= 0):
            position = int(open_at[place])
            found[position] = Copy(position, int(other_at[positions[place]]), "semantic", float(cosines[place]))
    return [found[position] for position in sorted(found)]


def counts_by_kind(copies: Sequence[Copy]) -> dict[str, int]:
    """Kind to the number of copies."""
    counts = Counter(copy.kind for copy in copies)
    return {kind: counts[kind] for kind in KINDS}


def _first_of_same(texts: Sequence[str]) -> np.ndarray:
    """For each text the position of the first that is the same, `(texts,)` int64."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, position) for position, text in enumerate(texts)], dtype=np.int64)


def _likeness(one: str, other: str) -> float:
    """The Jaccard similarity of two normalised texts."""
    return jaccard(*(shingle_set(words_alone(text)) for text in (one, other)))


def _spanning(left: np.ndarray, right: np.ndarray) -> Sequence[tuple[int, int]]:
    """As few pairs as connect what some pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    ones = np.ones(len(left), dtype=bool)
    graph = coo_array((ones, (places[: len(left)], places[len(left) :])), shape=(len(rows), len(rows)))
    _, part = connected_components(graph, directed=False)
    _, first = np.unique(part, return_index=True)
    return [(int(rows[first[one]]), int(row)) for one, row in zip(part, rows, strict=True)]
