"""The training pairs that each objective makes from a text, to show what is learned from it."""

from dataclasses import dataclass

import numpy as np

from trifold.pretrain.masking import Masking
from trifold.pretrain.special_tokens import Vocabulary


@dataclass(frozen=True)
class TrainingPair:
    """One question and its answer.

    Attributes:
        given: The text that the model reads.
        target: The text that it is to predict.
    """

    given: str
    target: str


@dataclass(frozen=True)
class RandomMasking:
    """One random masking, as in training.

    Attributes:
        given: Tokens that the model reads.
        targets: Each token to predict, and whether it was masked, replaced or kept.
    """

    given: str
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TrainingPairs:
    """Everything to show.

    Attributes:
        next_words: Each word, to be predicted from the words before it.
        masked_words: Each word, masked in turn.
        drawn: A random masking of one pass of training; every pass draws anew.
    """

    next_words: tuple[TrainingPair, ...]
    masked_words: tuple[TrainingPair, ...]
    drawn: RandomMasking


def training_pairs(vocabulary: Vocabulary, text: str, probability: float, seed: int) -> TrainingPairs:
    """The training pairs that both objectives make from a text."""
    encoding = vocabulary.tokenizer.encode(text, add_special_tokens=False)
    words = _words(encoding)
    mask = vocabulary.tokenizer.id_to_token(vocabulary.mask_id)
    next_words = [TrainingPair(text[:start].rstrip(), text[start:end]) for start, end, _ in words[1:]]
    masked = [
        TrainingPair(f"{text[:start]}{' '.join([mask] * size)}{text[end:]}", text[start:end])
        for start, end, size in words
    ]
    return TrainingPairs(tuple(next_words), tuple(masked), _draw(vocabulary, encoding, probability, seed))


def _words(encoding: object) -> list[tuple[int, int, int]]:
    """Start and end of each word in the text, and its number of tokens."""
    found: dict[int, tuple[int, int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):  # type: ignore[attr-defined]
        begun, _, size = found.get(word, (start, end, 0))
        found[word] = (begun, end, size + 1)
    return list(found.values())


def _draw(vocabulary: Vocabulary, encoding: object, probability: float, seed: int) -> RandomMasking:
    ids = np.array([encoding.ids], dtype=np.int64)  # type: ignore[attr-defined]
    word_ids: list[int] = encoding.word_ids  # type: ignore[attr-defined]
    continues = np.array([[i > 0 and word == word_ids[i - 1] for i, word in enumerate(word_ids)]], dtype=bool)
    name = vocabulary.tokenizer.id_to_token
    masked = Masking(vocabulary, probability).mask(ids, continues, np.random.default_rng(seed))
    targets = []
    for position in np.flatnonzero(masked.chosen[0]):
        now, true = int(masked.inputs[0, position]), int(ids[0, position])
        fate = "masked" if now == vocabulary.mask_id else "kept" if now == true else "replaced"
        targets.append((name(true), fate))
    return RandomMasking(" ".join(name(int(one)) for one in masked.inputs[0]), tuple(targets))
