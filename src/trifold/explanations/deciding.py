"""The words that a label owes most to, together.

The words with the largest weights are often several that say the same, each of which alone could be spared. So they are
chosen one after the other, each beside those that were chosen before it.

Source: DeYoung et al. 2020, "ERASER", for what is measured (comprehensiveness); greedy choice after Serrano and Smith
2019, "Is Attention Interpretable?".
"""

from collections.abc import Sequence

import numpy as np

from trifold.explanations.variants import Variants

# Words of the largest weights among which the first is chosen; for each next one, the better half of those tried
# before, but not fewer than the second number.
_CANDIDATES, _LEAST_CANDIDATES = 24, 8
# No further word is named where it does less than this share of what those before it did.
_LEAST_SHARE = 0.05


def deciding_words(variants: Variants, weights: np.ndarray, count: int, most: int) -> list[int]:
    """The numbers of at most `count` words, the most decisive first; fewer where the others hardly speak for the label.

    Args:
        variants: Scores the text without some words.
        weights: `(words,)`, from which candidates are taken.
        count: How many words.
        most: Variants that may be scored for it, beside those that were scored before.
    """
    # Words that were not left out by themselves share a weight with others, and come last.
    grouped = np.array([not variants.known([word]) for word in range(len(weights))])
    candidates = np.lexsort((-weights, grouped))[: max(_CANDIDATES, count)].tolist()
    chosen: list[int] = []
    whole = lowest = variants([()])[0]
    allowed = variants.evaluations + most
    while candidates and len(chosen) < count and variants.evaluations < allowed:
        # Beside those that were scored before, so many that as many less one are left for the next word, and so on.
        known = sum(variants.known([*chosen, word]) for word in candidates)
        tried = known + max(1, 2 * (allowed - variants.evaluations) // (count - len(chosen) + 1))
        pool, candidates = candidates[:tried], candidates[tried:]
        odds = variants([[*chosen, word] for word in pool])
        order = np.argsort(odds, kind="stable").tolist()
        if lowest - odds[order[0]] > _LEAST_SHARE * (whole - lowest):
            lowest = odds[order[0]]
            chosen.append(pool[order[0]])
            candidates = [pool[at] for at in order[1 : max(_LEAST_CANDIDATES, count, len(pool) // 2) + 1]] + candidates
    return chosen


def chance_words(words: int, count: int, draws: int, seed: Sequence[int]) -> list[list[int]]:
    """`draws` times `count` of `words` numbers by chance, the same for the same seed."""
    generator = np.random.default_rng(seed)
    return [generator.permutation(words)[:count].tolist() for _ in range(draws)]
