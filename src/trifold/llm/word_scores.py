"""From hidden states at the places that are asked for to the log-likelihoods of words."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from trifold.llm.token_tree import Continuations, branches_of, places_of

# Places whose logits are computed together: the head's weights are read from memory once for all of them.
PLACES = 128
# Logits that are in float32 at the same time: as many as a core keeps in its cache.
_FLOATS = 1 << 18


def word_scores(
    head: Callable[[torch.Tensor], torch.Tensor], states: torch.Tensor, rows: Sequence[Continuations]
) -> np.ndarray:
    """The log-likelihood of each word, the sum over its tokens.

    Args:
        head: From states, `(places, width)`, to logits, `(places, vocabulary)`.
        states: Of the places of all rows, in the order of `places_of`.
        rows: The prompts and their words; all have the same number of words.

    Returns:
        `(rows, words)` float64.
    """
    count = len(rows[0].words)
    moved = [
        branches_of(row.words).wanted + np.array([start + 1, 0, number * count])
        for number, (row, start) in enumerate(zip(rows, places_of(rows), strict=False))
    ]
    wanted = np.concatenate(moved)
    # In the order of places, so that those computed together are a run of them.
    wanted = wanted[np.argsort(wanted[:, 0], kind="stable")]
    sums = torch.zeros(len(rows) * count, dtype=torch.float64, device=states.device)
    for begin in range(0, len(states), PLACES):
        logits = head(states[begin : begin + PLACES])
        run = slice(*np.searchsorted(wanted[:, 0], (begin, begin + PLACES)))
        places, tokens, words = torch.from_numpy(wanted[run]).to(states.device).T
        places = places - begin
        sums.index_add_(0, words, logits[places, tokens].double() - log_sums(logits)[places])
    found: np.ndarray = sums.view(len(rows), count).cpu().numpy()
    return found


def log_sums(logits: torch.Tensor) -> torch.Tensor:
    """The logarithm of the sum of each place's powers, `(places, vocabulary)` to `(places,)` float64."""
    some = max(1, _FLOATS // logits.shape[1])
    return torch.cat([part.float().logsumexp(-1).double() for part in torch.split(logits, some)])
