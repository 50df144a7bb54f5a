"""Masking: which tokens are hidden, and what replaces them."""

from dataclasses import dataclass

import numpy as np

from trifold.pretrain.special_tokens import Vocabulary

_MASKED, _REPLACED = 0.8, 0.1


@dataclass(frozen=True)
class Masked:
    """Blocks with some tokens hidden.

    Attributes:
        inputs: Token ids that the model reads, `(blocks, size)` int64.
        chosen: Whether a token is to be predicted, `(blocks, size)` bool.
    """

    inputs: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True)
class Masking:
    """Whole-word masking: words are chosen at random, each with all its tokens.

    Of the chosen tokens 80 % are replaced by the mask, 10 % by a random token, and 10 % stay, so that the model cannot
    rely on the tokens that it reads. For measuring, all are replaced by the mask, so that none is given away.

    Source: Devlin et al. 2019, "BERT", section 3.1 and appendix A.1; whole words: github.com/google-research/bert.

    Attributes:
        vocabulary: The tokenizer of the blocks.
        probability: Probability that a word is chosen.
        always_mask: Whether every chosen token is replaced by the mask, for measuring.
    """

    vocabulary: Vocabulary
    probability: float
    always_mask: bool = False

    def mask(self, ids: np.ndarray, continues: np.ndarray, rng: np.random.Generator) -> Masked:
        """Mask some words of every block.

        Args:
            ids: `(blocks, size)` int64.
            continues: `(blocks, size)` bool, whether a token continues the word of the token before it.
            rng: Draws words and replacements.
        """
        assert self.vocabulary.mask_id is not None
        word = np.cumsum(~continues, axis=1) - 1
        drawn = rng.random(ids.shape) < self.probability
        chosen = np.take_along_axis(drawn, word, axis=1) & ~self.vocabulary.is_special(ids)
        fate = np.zeros(ids.shape) if self.always_mask else rng.random(ids.shape)
        inputs = np.where(chosen & (fate < _MASKED), self.vocabulary.mask_id, ids)
        replaced = chosen & (fate >= _MASKED) & (fate < _MASKED + _REPLACED)
        inputs[replaced] = self._random_tokens(int(replaced.sum()), rng)
        return Masked(inputs, chosen)

    def _random_tokens(self, count: int, rng: np.random.Generator) -> np.ndarray:
        text = np.setdiff1d(np.arange(self.vocabulary.size), self.vocabulary.special)
        return rng.choice(text, count)
