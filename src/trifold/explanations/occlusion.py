"""Weights of words by leaving them out: by how much the log-odds of a label fall.

It asks nothing of a model but scores, so it explains every method alike.

Source: Li et al. 2016, "Understanding Neural Networks through Representation Erasure".
"""

import numpy as np

from trifold.explanations.variants import Variants

# Where words are too many to be left out one by one, this share of what may be scored goes to groups of neighbours,
# and the rest to the words of those groups that do most. A group that is looked into is cut into so many parts at once.
_SHARE_OF_GROUPS = 0.4
_PARTS = 8


def occlude(variants: Variants, most: int) -> np.ndarray:
    """The weight of each word, `(words,)`.

    The words of a group that was not looked into share its weight.

    Args:
        variants: Scores the text without some words.
        most: Variants that may be scored, the whole text included.
    """
    count = len(variants.words)
    whole = variants([()])[0]
    weights = np.zeros(count)
    size = 1 if count < most else -(-count // max(1, int(_SHARE_OF_GROUPS * most)))
    left = most - 1
    groups = [range(start, min(start + size, count)) for start in range(0, count, size)]
    while groups:
        effects = whole - variants(groups)
        left -= len(groups)
        for group, effect in zip(groups, effects.tolist(), strict=True):
            weights[group.start : group.stop] = effect / len(group)
        # Those with the largest effect, whatever its sign, are looked into.
        order = np.argsort(-np.abs(effects), kind="stable").tolist()
        parts = [_cut(groups[at]) for at in order if len(groups[at]) > 1]
        # Half of what is left is for looking into the parts, unless these are single words.
        allowed = left if all(len(part) == 1 for cut in parts for part in cut) else left // 2
        groups = []
        for cut in parts:
            if len(groups) + len(cut) > allowed:
                break
            groups += cut
    return weights


def _cut(group: range) -> list[range]:
    size = -(-len(group) // _PARTS)
    return [range(start, min(start + size, group.stop)) for start in range(group.start, group.stop, size)]
