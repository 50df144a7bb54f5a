"""Which tokens are hidden, and what stands in their place."""

from dataclasses import dataclass

import numpy as np

from trifold.pretrain.special_tokens import Vocabulary

_MASKED, _REPLACED = 0.8, 0.1


@dataclass(frozen=True)
class Masked:
    """Blocks with some tokens hidden.

    Attributes:
        inputs: `(blocks, size)` int64, what the model reads.
        chosen: `(blocks, size)` bool, the tokens it is to guess.
    """

    inputs: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True)
class Masking:
    """Whole-word masking: each word is chosen by chance, and with it all of its tokens.

    Of the chosen tokens 80 % become the mask, 10 % any other token and 10 % stay, so that the model cannot rely on
    what it reads. For measuring, all of them become the mask, so that none is given away.

    Source: Devlin et al. 2019, "BERT", section 3.1 and appendix A.1; whole words: github.com/google-research/bert.

    Attributes:
        vocabulary: Of the blocks.
        probability: That a word is chosen.
        always_mask: Whether this is for measuring.
    """

    vocabulary: Vocabulary
    probability: float
    always_mask: bool = False

    def mask(self, ids: np.ndarray, goes_on: np.ndarray, rng: np.random.Generator) -> Masked:
        """Hide some words of every block.

        Args:
            ids: `(blocks, size)` int64.
            goes_on: `(blocks, size)` bool, whether a token goes on with the word of the one before.
            rng: Source of all chance.
        """
        assert self.vocabulary.mask_id is not None
        word = np.cumsum(~goes_on, axis=1) - 1
        drawn = rng.random(ids.shape) < self.probability
        chosen = np.take_along_axis(drawn, word, axis=1) & ~self.vocabulary.is_special(ids)
        fate = np.zeros(ids.shape) if self.always_mask else rng.random(ids.shape)
        inputs = np.where(chosen & (fate < _MASKED), self.vocabulary.mask_id, ids)
        replaced = chosen & (fate >= _MASKED) & (fate < _MASKED + _REPLACED)
        inputs[replaced] = self._any_tokens(int(replaced.sum()), rng)
        return Masked(inputs, chosen)

    def _any_tokens(self, count: int, rng: np.random.Generator) -> np.ndarray:
        text = np.setdiff1d(np.arange(self.vocabulary.size), self.vocabulary.special)
        return rng.choice(text, count)
