"""Predict the masked words of a text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.engines.language_head import word_logits
from trifold.errors import SettingsError
from trifold.models.text_generation import model_context
from trifold.pretrain.special_tokens import Vocabulary

_MASK = "[MASK]"


@dataclass(frozen=True)
class Guess:
    """A word predicted for a mask.

    Attributes:
        word: As the tokenizer writes it; a leading `##` continues the word before.
        score: Its probability.
        text: The whole text with the word in the mask's place.
    """

    word: str
    score: float
    text: str


@torch.inference_mode()
def mask_probabilities(model: Any, vocabulary: Vocabulary, text: str) -> np.ndarray:
    """Probabilities of all words at each `[MASK]` of a text, `(masks, vocabulary)`.

    Raises:
        SettingsError: If the text has no mask, or is longer than the model's context.
    """
    assert vocabulary.mask_id is not None
    mask = vocabulary.tokenizer.id_to_token(vocabulary.mask_id)
    encoding = vocabulary.tokenizer.encode(text.replace(_MASK, mask))
    ids = torch.tensor([encoding.ids], device=next(model.parameters()).device)
    where = torch.eq(ids, vocabulary.mask_id)
    if not where.any():
        raise SettingsError(f"the text has no {_MASK}: write it in place of a word, such as 'The film was {_MASK}.'")
    context = model_context(model)
    if context is not None and ids.shape[1] > context:
        raise SettingsError(f"the text has {ids.shape[1]:,} tokens and the model reads {context}: shorten it")
    probabilities: np.ndarray = word_logits(model, ids, where).float().softmax(1).cpu().numpy()
    return probabilities


def fill_mask(model: Any, vocabulary: Vocabulary, text: str, top_k: int) -> list[list[Guess]]:
    """The `top_k` most probable words at each `[MASK]`, the most probable first."""
    found = []
    for number, row in enumerate(mask_probabilities(model, vocabulary, text)):
        best = np.argsort(-row)[:top_k].tolist()
        # A model may have more word vectors than its tokenizer has words.
        words = [
            (vocabulary.tokenizer.id_to_token(one) or "").replace("Ġ", " ").replace("\u2581", " ").strip()
            for one in best
        ]
        guesses = [
            Guess(word, float(row[one]), _with_word(text, number, word)) for one, word in zip(best, words, strict=True)
        ]
        found.append(guesses)
    return found


def _with_word(text: str, number: int, word: str) -> str:
    """The text with one mask replaced; a word part that begins with `##` is joined to the word before it."""
    parts = text.split(_MASK)
    before, after = _MASK.join(parts[: number + 1]), _MASK.join(parts[number + 1 :])
    if word.startswith("##"):
        return f"{before.rstrip()}{word[2:]}{after}"
    return f"{before}{word}{after}"
