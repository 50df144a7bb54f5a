"""Pooled vectors of every layer of a frozen backbone, computed once per text and kept on disk."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trifold.engines.encoder import Encoder
from trifold.errors import SettingsError
from trifold.events import Advance
from trifold.features.frozen_pass import FrozenPass, address_of, through_cache
from trifold.features.number_format import half
from trifold.features.token_cache import encode_through_cache
from trifold.formatting import counted
from trifold.models.locate import BackboneFiles
from trifold.models.pooling import POOLINGS, Pooled
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import available_bytes


class Vectors(NamedTuple):
    """Every layer's pooled vectors of some texts.

    Attributes:
        pooled: Them, as `Encoder.pool`, in half precision.
        cached_seconds: What computing those from the cache once took.
        address: Stands for all that decides on them.
    """

    pooled: Pooled
    cached_seconds: float
    address: str


def read_through_cache(
    encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str], files: BackboneFiles, settings: BackboneSettings
) -> Vectors:
    """Tokens of texts and from them every layer's pooled vectors, from the cache where it has them.

    Args:
        encoder: Whole: its layers are all pooled.
        tokenizer: The backbone's.
        texts: Any number.
        files: The backbone, whose weights are part of the address.
        settings: Whether and how much is kept.
    """
    if settings.cache:
        tokens, tokenised_seconds = encode_through_cache(tokenizer, texts, settings.cache_bytes)
    else:
        tokens, tokenised_seconds = tokenizer.encode(texts), 0.0

    def compute(positions: np.ndarray, budget: int, advance: Advance) -> list[np.ndarray]:
        pooled = encoder.pool(tokens.take(positions), tokenizer.pad_id, budget, advance=advance)
        return list(half(pooled.vectors).reshape(len(positions), -1, encoder.width))

    shape = (len(tokens), encoder.layers + 1, len(POOLINGS), encoder.width)
    _require_memory(2 * math.prod(shape), f"the vectors of {counted(len(tokens), 'text')} by {files.name}")
    kind = {
        **address_of("pooled vectors of every layer", files, encoder.precision, encoder.runtime),
        "poolings": POOLINGS,
    }
    if encoder.backend != "torch":
        kind["engine"] = encoder.backend
    sizes = np.full(len(tokens), 2 * math.prod(shape[1:]))
    work = FrozenPass(compute, encoder.try_batch, encoder.runtime, encoder.pad_to, kind, encoder.width, sizes)
    vectors = np.empty(shape, dtype=np.float16)
    with through_cache(work, tokens, settings) as found:
        for number, array in enumerate(found.arrays):
            vectors[number] = array.reshape(shape[1:])
            # Held once, or memory would have to take it all twice.
            found.arrays[number] = np.empty(0)
    decisive = json.dumps(kind, sort_keys=True).encode() + b"".join(tokens.digests)
    return Vectors(
        Pooled(vectors, tuple(range(encoder.layers + 1))),
        tokenised_seconds + found.cached_seconds,
        hashlib.sha256(decisive).hexdigest(),
    )


def _require_memory(needed: int, what: str) -> None:
    """Refuse what would not fit.

    Raises:
        SettingsError: If it does not.
    """
    free = available_bytes()
    if 0 < free < needed:
        raise SettingsError(
            f"{what} take {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free: "
            "use fewer rows, a smaller --model, or a method that keeps none, such as full"
        )
