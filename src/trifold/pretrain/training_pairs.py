"""The training pairs that each objective makes of a text, for people who want to see what is learned from it."""

from dataclasses import dataclass

import numpy as np

from trifold.pretrain.masking import Masking
from trifold.pretrain.special_tokens import Vocabulary


@dataclass(frozen=True)
class TrainingPair:
    """One question and its answer.

    Attributes:
        given: What the model reads.
        target: What it is to name.
    """

    given: str
    target: str


@dataclass(frozen=True)
class Drawn:
    """One masking as training draws it.

    Attributes:
        given: Tokens that the model reads.
        targets: Of each hidden token: the token, and whether it was masked, replaced or kept.
    """

    given: str
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TrainingPairs:
    """Everything to show.

    Attributes:
        next_words: Each word after those before it.
        masked_words: Each word hidden in turn.
        drawn: What one pass of training would make of the text; the next pass draws anew.
    """

    next_words: tuple[TrainingPair, ...]
    masked_words: tuple[TrainingPair, ...]
    drawn: Drawn


def training_pairs(vocabulary: Vocabulary, text: str, probability: float, seed: int) -> TrainingPairs:
    """What both objectives ask about a text."""
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
    """Begin and end of each word in the text, and its tokens."""
    found: dict[int, tuple[int, int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):  # type: ignore[attr-defined]
        begun, _, size = found.get(word, (start, end, 0))
        found[word] = (begun, end, size + 1)
    return list(found.values())


def _draw(vocabulary: Vocabulary, encoding: object, probability: float, seed: int) -> Drawn:
    ids = np.array([encoding.ids], dtype=np.int64)  # type: ignore[attr-defined]
    word_ids: list[int] = encoding.word_ids  # type: ignore[attr-defined]
    goes_on = np.array([[place > 0 and word == word_ids[place - 1] for place, word in enumerate(word_ids)]], dtype=bool)
    name = vocabulary.tokenizer.id_to_token
    masked = Masking(vocabulary, probability).mask(ids, goes_on, np.random.default_rng(seed))
    targets = []
    for place in np.flatnonzero(masked.chosen[0]):
        now, true = int(masked.inputs[0, place]), int(ids[0, place])
        fate = "masked" if now == vocabulary.mask_id else "kept" if now == true else "replaced"
        targets.append((name(true), fate))
    return Drawn(" ".join(name(int(one)) for one in masked.inputs[0]), tuple(targets))
