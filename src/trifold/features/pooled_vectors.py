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
from trifold.features.frozen_pass import FrozenPass, backbone_address, through_cache
from trifold.features.half_precision import half
from trifold.features.token_cache import encode_through_cache
from trifold.formatting import counted
from trifold.models.backbone_files import BackboneFiles
from trifold.models.pooling import POOLINGS, Pooled
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import available_bytes


class PooledTexts(NamedTuple):
    """Pooled vectors of every layer for some texts.

    Attributes:
        pooled: The vectors, `(texts, layers + 1, poolings, width)` float16.
        cached_seconds: Time that computing those from the cache once took.
        address: A hash of everything that determines the vectors.
    """

    pooled: Pooled
    cached_seconds: float
    address: str


def pool_through_cache(
    encoder: Encoder,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    files: BackboneFiles,
    settings: BackboneSettings,
    working_bytes_per_text: int = 0,
) -> PooledTexts:
    """Tokenise texts and pool every layer's states, from the cache as far as it holds them.

    One text takes `2 * (layers + 1) * poolings * width` bytes: 16 KB with minilm, 60 KB with bert-base.

    Args:
        encoder: With all its layers, since every one is pooled.
        tokenizer: The backbone's.
        texts: Any number.
        files: The backbone; its weights are part of the address.
        settings: Whether the cache is used, and what it may take.
        working_bytes_per_text: Memory that the caller is going to need in addition.

    Raises:
        SettingsError: If the vectors of all texts do not fit in memory. Nothing is computed then.
    """
    shape = (len(texts), encoder.layers + 1, len(POOLINGS), encoder.width)
    needed = 2 * math.prod(shape) + working_bytes_per_text * len(texts)
    _require_memory(needed, f"the vectors of {counted(len(texts), 'text')} by {files.name}")
    if settings.cache:
        tokens, tokenised_seconds = encode_through_cache(tokenizer, texts, settings.cache_bytes)
    else:
        tokens, tokenised_seconds = tokenizer.encode(texts), 0.0

    def compute(positions: np.ndarray, budget: int, advance: Advance) -> list[np.ndarray]:
        pooled = encoder.pool(tokens.take(positions), tokenizer.pad_id, budget, advance=advance)
        return list(half(pooled.vectors).reshape(len(positions), -1, encoder.width))

    kind = {
        **backbone_address("pooled vectors of every layer", files, encoder.precision, encoder.runtime),
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
            # Let go of the copy at once, or all vectors would be in memory twice.
            found.arrays[number] = np.empty(0)
    determining = json.dumps(kind, sort_keys=True).encode() + b"".join(tokens.digests)
    return PooledTexts(
        Pooled(vectors, tuple(range(encoder.layers + 1))),
        tokenised_seconds + found.cached_seconds,
        hashlib.sha256(determining).hexdigest(),
    )


def _require_memory(needed_bytes: int, what: str) -> None:
    """Refuse what memory cannot hold.

    Raises:
        SettingsError: If it does not fit.
    """
    free = available_bytes()
    if 0 < free < needed_bytes:
        raise SettingsError(
            f"{what} take {needed_bytes / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free: "
            "use fewer rows, a smaller --model, or a method that keeps none, such as full"
        )
