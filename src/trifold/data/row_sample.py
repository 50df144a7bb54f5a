"""A random sample of a stream of rows: if a file is sorted, its first rows are not like the rest."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

_SEED = 42
_Item = TypeVar("_Item")


def some(items: Iterable[_Item], most: int) -> list[_Item]:
    """A random sample of at most `most` items, in random order, drawn with a fixed seed.

    Source: Vitter 1985, "Random Sampling with a Reservoir", algorithm R.
    """
    generator = np.random.default_rng(_SEED)
    kept: list[_Item] = []
    for number, item in enumerate(items):
        if number < most:
            kept.append(item)
        elif (place := generator.integers(number + 1)) < most:
            kept[place] = item
    return [kept[place] for place in generator.permutation(len(kept))]
