"""From hidden states at the places that are asked for to the log-likelihoods of words."""

from collections.abc import Sequence

import numpy as np
import torch

from trifold.engines.bare_head import BareHead
from trifold.llm.token_tree import Continuations, branches_of, places_of

# Places whose logits are computed together: the head's weights are read from memory once for all of them.
PLACES = 128
# Logits that are in float32 at the same time: as many as a core keeps in its cache.
_FLOATS = 1 << 18


def word_scores(head: BareHead, states: torch.Tensor, rows: Sequence[Continuations]) -> np.ndarray:
    """The log-likelihood of each word, the sum over its tokens.

    Args:
        head: From states to logits.
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
        run = slice(*np.searchsorted(wanted[:, 0], (begin, begin + PLACES)))
        places, tokens, words = torch.from_numpy(wanted[run]).to(states.device).T
        asked, columns = tokens.unique(return_inverse=True)
        likelihoods = _log_likelihoods(head, states[begin : begin + PLACES], asked)
        sums.index_add_(0, words, likelihoods[places - begin, columns])
    found: np.ndarray = sums.view(len(rows), count).cpu().numpy()
    return found


def _log_likelihoods(head: BareHead, states: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Of some tokens at some places, `(places, tokens)` float64, with the tokens' own logits in float32."""
    logits = head(states)
    own, sums = head.of_words(states, asked).double(), log_sums(logits)[:, None]
    # In the sum they take the place of the rounded ones: a token that is nearly certain makes up all of it.
    more = (own - sums).exp() - (logits[:, asked].double() - sums).exp()
    return own - sums - more.sum(1, keepdim=True).log1p()


def log_sums(logits: torch.Tensor) -> torch.Tensor:
    """The logarithm of the sum of each place's powers, `(places, vocabulary)` to `(places,)` float64."""
    some = max(1, _FLOATS // logits.shape[1])
    return torch.cat([part.float().logsumexp(-1).double() for part in torch.split(logits, some)])
