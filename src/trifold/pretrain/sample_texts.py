"""Sample outputs of a trained model on held-out text, for the report."""

from typing import Any

import numpy as np

from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.fill_mask import fill_mask
from trifold.pretrain.generation import continue_end
from trifold.pretrain.packing import Blocks
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary

_SAMPLES = 3
_PROMPT_TOKENS, _WRITTEN_TOKENS = 16, 60
_READ_TOKENS, _HIDDEN_TOKEN = 40, 20
_GUESSES = 3


def samples(model: Any, vocabulary: Vocabulary, held_out: Blocks, files: BackboneFiles) -> list[dict[str, str]]:
    """A few samples: the text `given`, what the model `said`, and for a masked word the `truth`."""
    model.eval()
    positions = np.linspace(0, len(held_out) - 1, min(_SAMPLES, len(held_out))).astype(np.int64)
    ids, continues = held_out.read(positions)
    if vocabulary.mask_id is None:
        return [_written(model, vocabulary, row, files) for row in ids]
    return [_filled(model, vocabulary, row, more) for row, more in zip(ids, continues, strict=True)]


def _written(model: Any, vocabulary: Vocabulary, ids: np.ndarray, files: BackboneFiles) -> dict[str, str]:
    prompt = vocabulary.tokenizer.decode(ids[: min(_PROMPT_TOKENS, len(ids) // 2)].tolist())
    room = min(_WRITTEN_TOKENS, len(ids) // 2 - 1)
    return {"given": prompt, "said": continue_end(model, files, prompt, WritingSettings(max_new_tokens=room))}


def _filled(model: Any, vocabulary: Vocabulary, ids: np.ndarray, continues: np.ndarray) -> dict[str, str]:
    """A text with one word masked: the first word of a single token after the middle."""
    count = min(_READ_TOKENS, len(ids) - 1)
    whole = ~continues[:count] & ~continues[1 : count + 1] & ~vocabulary.is_special(ids[:count])
    positions = np.flatnonzero(whole)
    if not len(positions):
        return {"given": "", "said": "", "truth": ""}
    position = int(positions[np.searchsorted(positions, count // 2).clip(max=len(positions) - 1)])
    decode = vocabulary.tokenizer.decode
    before, after = decode(ids[:position].tolist()), decode(ids[position + 1 : count].tolist())
    given = f"{before} [MASK] {after}"
    guesses = fill_mask(model, vocabulary, given, _GUESSES)[0]
    said = ", ".join(f"{guess.word} {100 * guess.score:.0f} %" for guess in guesses)
    return {"given": given, "said": said, "truth": decode([int(ids[position])])}
