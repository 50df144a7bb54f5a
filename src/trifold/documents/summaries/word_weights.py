"""How much each word of some sentences tells: rare words more than frequent ones, going by a tokenizer's vocabulary.

The vocabularies of WordPiece, byte-pair and unigram tokenizers are ordered by how frequent words are, so that a word's
place in one stands for its rank, in whatever languages the vocabulary is of; no list of stop words is needed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from trifold.models.backbone_files import BackboneFiles
from trifold.models.tokenizer_files import fast_tokenizer


class WordWeights:
    """Sentences as vectors over the tokens of a vocabulary.

    A token weighs the logarithm of its rank, which by Zipf's law is how rare it is; signs and single letters, which
    stand before the first word of a vocabulary, weigh nothing.

    Args:
        files: The backbone whose tokenizer it is.

    Raises:
        BackboneError: If it has no fast tokenizer.
    """

    def __init__(self, files: BackboneFiles) -> None:
        self._tokenizer: Any = fast_tokenizer(files)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        first = min((number for word, number in vocabulary.items() if _is_word(word)), default=0)
        ranks = np.arange(max(vocabulary.values(), default=0) + 1) - first
        self._weights = np.log(np.maximum(ranks + 1, 1)).astype(np.float32)

    def __call__(self, sentences: Sequence[str]) -> csr_matrix:
        """The weights of the words of each sentence, `(sentences, vocabulary)`; rows have length 1, or are empty."""
        rows, columns, values = [], [], []
        encoded = self._tokenizer.encode_batch_fast(list(sentences), add_special_tokens=False)
        for row, one in enumerate(encoded):
            tokens = np.unique(np.array(one.ids, dtype=np.int64))
            weights = self._weights[tokens]
            length = np.linalg.norm(weights)
            if length > 0:
                rows.append(np.full(len(tokens), row))
                columns.append(tokens)
                values.append(weights / length)
        shape = (len(sentences), len(self._weights))
        if not rows:
            return csr_matrix(shape, dtype=np.float32)
        return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _is_word(token: str) -> bool:
    """Whether a token of a vocabulary is a word rather than a sign, a letter or a special token."""
    letters = token.lstrip("▁Ġ")
    return len(letters) > 1 and letters.isalpha()
