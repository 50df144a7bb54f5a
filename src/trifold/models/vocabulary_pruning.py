"""Train with the word vectors of the tokens that occur in the data, and no others.

The word vectors are half of a small model's parameters, and 63 % of those of a Gemma 3 with 270 M. A text uses a few
hundred of them, but gradient, Adam moments, clipping and averaging would go through all of them in every step: a good
part of the work if texts are short.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from trifold.models.tokens import Tokens

# Architectures that use a token's id only to look up its vector and to tell whether it is padding.
_IDS_ONLY_LOOK_UP = (
    *("bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"),
    *("gemma2", "gemma3_text", "gpt2", "llama", "mistral", "qwen2", "qwen3"),
)


@contextmanager
def tokens_that_occur(model: Any, texts: Sequence[Tokens], pad_id: int) -> Iterator[list[Tokens]]:
    """Inside the block, the model holds the word vectors of the tokens in `texts` only.

    Training gives an equal result: a token that never occurs has no gradient. (Only weight decay would have moved its
    vector towards zero; now it keeps its value.) If the word vectors are frozen, or the architecture is not known to
    allow it, nothing changes.

    Args:
        model: With or without a head; after the block it has all word vectors again, those that occur as trained.
        texts: All texts that the model is run on inside the block.
        pad_id: The padding token; its id stays.

    Yields:
        The texts with the token ids that are valid inside the block.
    """
    table = _trained_table(model)
    if table is None:
        yield list(texts)
        return
    # Ids up to the padding token's stay, since some models count positions from that id.
    kept = np.unique(np.concatenate([np.arange(pad_id + 1), *(part.ids for part in texts)]))
    whole, words = table.weight, table.num_embeddings
    rows = torch.from_numpy(kept).to(whole.device)
    # The table itself stays in its place: some do more than look up, such as Gemma's, which scales.
    table.weight, table.num_embeddings = torch.nn.Parameter(whole.detach()[rows]), len(kept)
    try:
        yield [replace(part, ids=np.searchsorted(kept, part.ids).astype(part.ids.dtype)) for part in texts]
    finally:
        with torch.no_grad():
            whole[rows] = table.weight
        table.weight, table.num_embeddings = whole, words


def _trained_table(model: Any) -> torch.nn.Embedding | None:
    if getattr(model.config, "model_type", None) not in _IDS_ONLY_LOOK_UP:
        return None
    find = getattr(model, "get_input_embeddings", None)
    table = find() if find else None
    if not isinstance(table, torch.nn.Embedding) or not table.weight.requires_grad:
        return None
    # A language head may share the word vectors; then all of them have a gradient.
    return table if model.get_output_embeddings() is None else None
