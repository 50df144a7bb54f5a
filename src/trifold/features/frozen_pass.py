"""One pass of a frozen backbone over many texts: what the cache has is read, the rest is computed and kept.

Results are rounded to the cache's number format whether they come from there or not, so that a cached run and an
uncached one learn from the same numbers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from trifold.cache_folder import has_room
from trifold.engines.token_budget import Work, tuned_budget
from trifold.events import Advance, say, track
from trifold.features.store import Segment, Store, kept_or_computed
from trifold.formatting import counted
from trifold.models.batching import PadTo, by_token_budget, padding_share
from trifold.models.locate import BackboneFiles, file_sha256
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokens
from trifold.runtime import Runtime

# Texts that are sorted by length and written together: enough to waste nothing, few enough to lose little.
TEXTS_PER_SEGMENT = 2_048


@dataclass(frozen=True)
class Computed:
    """Arrays of many texts.

    Attributes:
        arrays: For each text `(rows, width)` float16, views of files as far as those are written.
        cached_seconds: What computing those from the cache once took: a run is charged for it all the same.
    """

    arrays: list[np.ndarray]
    cached_seconds: float


@dataclass(frozen=True)
class FrozenPass:
    """A frozen computation.

    Attributes:
        compute: Positions of texts and a budget in tokens to each text's array, in half precision.
        attempt: One batch, as in `Work`.
        runtime: Where it computes.
        pad_to: Of the lengths of its batches.
        kind: What its arrays are of, as in `Store`.
        width: Of every array.
        sizes: `(texts,)`, bytes of each array.
    """

    compute: Callable[[np.ndarray, int, Advance], list[np.ndarray]]
    attempt: Callable[[np.ndarray, np.ndarray], None]
    runtime: Runtime
    pad_to: PadTo
    kind: dict[str, object]
    width: int
    sizes: np.ndarray


@contextmanager
def through_cache(work: FrozenPass, tokens: Tokens, settings: BackboneSettings) -> Iterator[Computed]:
    """Each text's array, computed where the cache lacks it, and then kept, as `kept_or_computed` does."""

    def compute(missing: list[int]) -> Iterator[Segment]:
        if len(missing) < len(tokens):
            say(f"{len(tokens) - len(missing):,} of {len(tokens):,} texts come from the cache (trifold cache lists it)")
        ahead = tokens.lengths[missing]
        name = f"{work.kind['what']} by {work.kind.get('engine', 'torch')}"
        budget = tuned_budget(settings, Work(name, str(work.kind["weights"]), work.runtime, ahead, 1, work.attempt))
        with track(f"encoding {counted(len(missing), 'text')}", int(ahead.sum())) as advance:
            for start in range(0, len(missing), TEXTS_PER_SEGMENT):
                part = missing[start : start + TEXTS_PER_SEGMENT]
                begun = time.perf_counter()
                found = work.compute(np.array(part), budget, advance)
                yield Segment(part, found, time.perf_counter() - begun)
        if missing:
            padding = padding_share(ahead, by_token_budget(ahead, budget), work.pad_to)
            say(f"encoded {budget:,} tokens at once, {100 * padding:.1f} % of them padding")

    store = Store(work.kind, work.width, settings.cache_bytes) if settings.cache else None
    digests = tokens.digests
    ahead = sum(int(size) for size, digest in zip(work.sizes, digests, strict=True) if store and digest not in store)
    keep = not ahead or has_room(ahead, settings.cache_bytes)
    with kept_or_computed(store, digests, compute, keep=keep) as found:
        yield Computed(*found)


def address_of(what: str, files: BackboneFiles, precision: str, runtime: Runtime) -> dict[str, object]:
    """What decides on an array beside its tokens; `Store` adds the versions of what computes."""
    return {
        "what": what,
        "backbone": files.name,
        "weights": files.sha256(),
        "configuration": file_sha256(files.folder / "config.json"),
        "precision": precision,
        "device": runtime.device,
        # Kernels differ in the last digits from one set of instructions to the other.
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
