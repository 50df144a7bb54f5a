"""Packing: documents end to end, cut into blocks that are all full, so that no place is computed for padding."""

from dataclasses import dataclass

import numpy as np

from trifold.errors import DataError
from trifold.pretrain.corpus import Corpus, Part
from trifold.pretrain.settings import SMALLEST_BLOCK
from trifold.pretrain.special_tokens import Vocabulary

# In each, what is left of rounding to whole pieces of text fits, too.
_PARTS = 5


@dataclass(frozen=True)
class Blocks:
    """A part of a corpus as blocks.

    Attributes:
        corpus: Where the tokens are.
        starts: `(spans,)` int64, where each span of the part begins in the corpus.
        cumulative: `(spans + 1,)` int64, where each begins in the part.
        payload: Tokens of text in a block.
        overlap: Tokens of the next block that are read, too: 1 where the last token's follower is predicted.
        before: Ids in front of every block.
        after: Ids behind.
    """

    corpus: Corpus
    starts: np.ndarray
    cumulative: np.ndarray
    payload: int
    overlap: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, corpus: Corpus, part: Part, vocabulary: Vocabulary, block_size: int) -> "Blocks":
        """Cut a part into blocks of `block_size` tokens, framed as the tokenizer frames a text of an encoder.

        The rest at the end that fills no block is left out.
        """
        starts = np.array([span.start for span in part.spans], dtype=np.int64)
        cumulative = np.cumsum([0, *(span.end - span.start for span in part.spans)])
        if vocabulary.mask_id is None:
            return cls(corpus, starts, cumulative, block_size, 1, (), ())
        payload = block_size - len(vocabulary.before) - len(vocabulary.after)
        return cls(corpus, starts, cumulative, payload, 0, vocabulary.before, vocabulary.after)

    def __len__(self) -> int:
        return max(0, int(self.cumulative[-1]) - self.overlap) // self.payload

    @property
    def size(self) -> int:
        """Tokens a model reads of a block."""
        return self.payload + len(self.before) + len(self.after)

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some blocks.

        Args:
            positions: `(blocks,)`.

        Returns:
            `(blocks, size + overlap)` int64 ids, and bool, whether a token goes on with a word.
        """
        places = positions[:, None] * self.payload + np.arange(self.payload + self.overlap)
        span = np.searchsorted(self.cumulative, places, side="right") - 1
        raw = self.corpus.tokens[self.starts[span] + places - self.cumulative[span]].astype(np.int64)
        goes_on = raw < 0
        text = np.where(goes_on, ~raw, raw)
        # A word whose beginning stands in the block before begins here.
        goes_on[:, 0] = False
        frame = [np.tile(np.array(ids, np.int64), (len(positions), 1)) for ids in (self.before, self.after)]
        plain = [np.zeros(ids.shape, dtype=bool) for ids in frame]
        ids = np.hstack([frame[0], text, frame[1]])
        return ids, np.hstack([plain[0], goes_on, plain[1]])


def pack(corpus: Corpus, parts: tuple[Part, Part], vocabulary: Vocabulary, block_size: int) -> tuple[Blocks, Blocks]:
    """Both parts in blocks.

    Raises:
        DataError: If one of them does not fill a single block.
    """
    training, validation = (Blocks.of(corpus, part, vocabulary, block_size) for part in parts)
    if not len(training) or not len(validation):
        fitting = len(corpus.tokens) // _PARTS - 1
        smaller = f", or --block-size {fitting} or less" if SMALLEST_BLOCK <= fitting < block_size else ""
        raise DataError(
            f"the text has {len(corpus.tokens):,} tokens, too few for a block of {block_size} to train on and one to "
            f"validate on, for which a quarter is held out at most: give more text{smaller}"
        )
    return training, validation
