"""Packing: documents one after the other, cut into full blocks, so that nothing is padded."""

from dataclasses import dataclass

import numpy as np

from trifold.errors import DataError
from trifold.pretrain.corpus import Corpus, Part
from trifold.pretrain.settings import SMALLEST_BLOCK
from trifold.pretrain.special_tokens import Vocabulary

# Parts of the text that must hold a block each; one is a reserve, since the split rounds to whole pieces of text.
_PARTS = 5


@dataclass(frozen=True)
class Blocks:
    """A part of a corpus as blocks.

    Attributes:
        corpus: Holds the tokens.
        starts: `(spans,)` int64, position of each span's first token in the corpus.
        cumulative: `(spans + 1,)` int64, position of each span's first token in the part.
        payload: Tokens of text in a block.
        overlap: Tokens of the next block that are read as well: 1 for next words, since the token after the last one is
            predicted.
        before: Token ids added before every block.
        after: Token ids added after every block.
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
        """Cut a part into blocks of `block_size` tokens, for an encoder with the special tokens of a text.

        Tokens at the end that fill no block are left out.
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
        """Tokens of a block, special tokens included."""
        return self.payload + len(self.before) + len(self.after)

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of some blocks.

        Args:
            positions: Numbers of the blocks, `(blocks,)`.

        Returns:
            Token ids, `(blocks, size + overlap)` int64; and whether a token continues a word, in that shape, bool.
        """
        in_part = positions[:, None] * self.payload + np.arange(self.payload + self.overlap)
        span = np.searchsorted(self.cumulative, in_part, side="right") - 1
        raw = self.corpus.tokens[self.starts[span] + in_part - self.cumulative[span]].astype(np.int64)
        continues = raw < 0
        text = np.where(continues, ~raw, raw)
        # A word that began in the block before counts as beginning here.
        continues[:, 0] = False
        frame = [np.tile(np.array(ids, np.int64), (len(positions), 1)) for ids in (self.before, self.after)]
        plain = [np.zeros(ids.shape, dtype=bool) for ids in frame]
        ids = np.hstack([frame[0], text, frame[1]])
        return ids, np.hstack([plain[0], continues, plain[1]])


def pack(corpus: Corpus, parts: tuple[Part, Part], vocabulary: Vocabulary, block_size: int) -> tuple[Blocks, Blocks]:
    """The training and the validation part as blocks.

    Raises:
        DataError: If a part does not fill a block.
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
