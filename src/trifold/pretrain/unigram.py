"""The unigram loss: what a model reaches that has learned nothing but how frequent each token is."""

import numpy as np

from trifold.pretrain.corpus import Corpus, Part
from trifold.pretrain.special_tokens import Vocabulary

# Frequencies of so many tokens are those of the whole text.
_MOST_TOKENS = 1 << 24
# A model whose loss is not below this share of the unigram loss has not begun to look at the words around.
_CLEARLY_BELOW = 0.95


def unigram_loss(corpus: Corpus, parts: tuple[Part, Part], vocabulary: Vocabulary) -> float:
    """Cross-entropy, in nats a token, of the held-out tokens under the frequencies of the training tokens.

    Each token is counted once more than it occurs, since held-out ones may be new. Special tokens are left out where
    words are masked, as none of them ever is.

    Args:
        corpus: The text.
        parts: Training and validation.
        vocabulary: That cut it.
    """
    known, asked = (_counts(corpus, part) for part in parts)
    size = max(len(known), len(asked), vocabulary.size)
    known, asked = (np.pad(counts, (0, size - len(counts))).astype(np.float64) for counts in (known, asked))
    known += 1
    if vocabulary.mask_id is not None:
        known[vocabulary.special] = asked[vocabulary.special] = 0
    seen = asked > 0
    surprise = np.log(known.sum()) - np.log(known[seen])
    return float((asked[seen] * surprise).sum() / max(1.0, asked.sum()))


def why_unlearned(loss: float | None, unigram: float | None) -> str | None:
    """A note that a model knows nothing yet; `None` where its loss is clearly below the unigram loss, or not known."""
    if loss is None or unigram is None or loss < _CLEARLY_BELOW * unigram:
        return None
    return (
        f"note: this model knows nothing yet: its loss on held-out text is {loss:.2f}, and one that knows nothing but "
        f"how frequent each word is has {unigram:.2f}; train it for longer, or go on from a model that has learned"
    )


def _counts(corpus: Corpus, part: Part) -> np.ndarray:
    """How often each token occurs, `(ids,)`."""
    counts, left = np.zeros(0, dtype=np.int64), _MOST_TOKENS
    for span in part.spans:
        raw = corpus.tokens[span.start : min(span.end, span.start + left)]
        found = np.bincount(np.where(raw < 0, ~raw, raw))
        size = max(len(counts), len(found))
        counts = np.pad(counts, (0, size - len(counts))) + np.pad(found, (0, size - len(found)))
        left -= len(raw)
        if left <= 0:
            break
    return counts
