"""Groups of things that belong together, joined two at a time."""

import numpy as np


class UnionFind:
    """Numbers from 0 to `count` - 1 in groups; the root of a group is its smallest number.

    Args:
        count: How many; each is a group of its own at first.

    Source: Tarjan 1975, "Efficiency of a Good But Not Linear Set Union Algorithm", with paths halved.
    """

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))
        self._roots: np.ndarray | None = None

    def find(self, one: int) -> int:
        """The root of the group of `one`."""
        parents = self._parents
        while parents[one] != one:
            parents[one] = one = parents[parents[one]]
        return one

    def join(self, one: int, other: int) -> None:
        """Make the groups of two numbers one."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first
        self._roots = None

    def roots(self) -> np.ndarray:
        """`(count,)` int64, the root of each."""
        if self._roots is None:
            roots = np.array(self._parents, dtype=np.int64)
            while not np.array_equal(above := roots[roots], roots):
                roots = above
            self._roots = roots
        return self._roots
