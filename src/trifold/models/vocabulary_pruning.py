"""Word vectors while a model is trained: those of tokens that occur, and no others.

The table of word vectors is half of a small model. A text touches a few hundred of its rows, yet gradient, moments,
clipping and averaging would pass through all of it in every step, which on short texts is a good part of the work.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from trifold.models.tokenizer import Tokens

# Architectures that ask nothing of a token's number but its vector, and whether it is padding.
_NUMBERS_ARE_NAMES = ("bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")


@contextmanager
def tokens_that_occur(model: Any, texts: Sequence[Tokens], pad_id: int) -> Iterator[list[Tokens]]:
    """Inside, the model's table of word vectors holds those of the tokens in `texts` alone, and the texts fit it.

    What is learned is the same: a token that never occurs has no gradient. (Only weight decay would have moved its
    vector, towards zero; now it stays.) A frozen table, or a model of another architecture, is left as it is.

    Args:
        model: With or without a head; after, its table is whole again and holds what was learned.
        texts: All that the model will read inside.
        pad_id: Fills up shorter texts of a batch; means the same inside.

    Yields:
        The texts with their tokens renumbered.
    """
    table = _trained_table(model)
    if table is None:
        yield list(texts)
        return
    # What stands up to the padding keeps its number, since some models count positions from there.
    kept = np.unique(np.concatenate([np.arange(pad_id + 1), *(part.ids for part in texts)]))
    rows = torch.from_numpy(kept).to(table.weight.device)
    weight = table.weight.detach()[rows]
    small = torch.nn.Embedding(len(weight), weight.shape[1], padding_idx=table.padding_idx, _weight=weight)
    model.set_input_embeddings(small)
    try:
        yield [replace(part, ids=np.searchsorted(kept, part.ids).astype(part.ids.dtype)) for part in texts]
    finally:
        with torch.no_grad():
            table.weight[rows] = small.weight
        model.set_input_embeddings(table)


def _trained_table(model: Any) -> torch.nn.Embedding | None:
    if getattr(model.config, "model_type", None) not in _NUMBERS_ARE_NAMES:
        return None
    find = getattr(model, "get_input_embeddings", None)
    table = find() if find else None
    if not isinstance(table, torch.nn.Embedding) or not table.weight.requires_grad:
        return None
    # The last layer of a language head may be the same table, and then every row has a gradient.
    return table if model.get_output_embeddings() is None else None
