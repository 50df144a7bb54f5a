"""One pass of a frozen backbone over many texts: what the cache holds is read, the rest is computed and kept.

Results are in float16 whether they come from the cache or not, so that a run with the cache and a run without it learn
from equal numbers.
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
from trifold.features.background_writer import Segment, kept_or_computed
from trifold.features.store import Store
from trifold.formatting import counted
from trifold.hashing import file_sha256
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import PadTo, by_token_budget, padding_share
from trifold.models.settings import BackboneSettings
from trifold.models.tokens import Tokens
from trifold.runtime import Runtime

# Texts that are sorted by length and written together: enough that little is padding, few enough that an interrupted
# run loses little.
TEXTS_PER_SEGMENT = 2_048


@dataclass(frozen=True)
class TextArrays:
    """One array for each of many texts.

    Attributes:
        arrays: `(rows, width)` float16 each; views of files once they are written to the cache.
        cached_seconds: Time that computing the arrays from the cache once took. It counts towards a run's time.
    """

    arrays: list[np.ndarray]
    cached_seconds: float


@dataclass(frozen=True)
class FrozenPass:
    """A computation by a frozen backbone.

    Attributes:
        compute: From positions of texts and a token budget to each text's array in float16; reports its progress.
        attempt: One batch, as in `Work`.
        runtime: Device and precision.
        pad_to: The padding rule of its batches.
        kind: The settings that determine the arrays, as in `Store`.
        width: Width of every array.
        sizes: `(texts,)`, bytes of each text's array.
    """

    compute: Callable[[np.ndarray, int, Advance], list[np.ndarray]]
    attempt: Callable[[np.ndarray, np.ndarray], None]
    runtime: Runtime
    pad_to: PadTo
    kind: dict[str, object]
    width: int
    sizes: np.ndarray


@contextmanager
def through_cache(work: FrozenPass, tokens: Tokens, settings: BackboneSettings) -> Iterator[TextArrays]:
    """Each text's array, from the cache or computed and then kept (as `kept_or_computed`), if the disk has room."""

    def compute(missing: list[int]) -> Iterator[Segment]:
        if len(missing) < len(tokens):
            say(f"{len(tokens) - len(missing):,} of {len(tokens):,} texts come from the cache (trifold cache lists it)")
        lengths = tokens.window_lengths(np.array(missing, dtype=np.int64))
        name = f"{work.kind['what']} by {work.kind.get('engine', 'torch')}"
        budget = tuned_budget(settings, Work(name, str(work.kind["weights"]), work.runtime, lengths, 1, work.attempt))
        with track(f"encoding {counted(len(missing), 'text')}", int(lengths.sum())) as advance:
            for start in range(0, len(missing), TEXTS_PER_SEGMENT):
                part = missing[start : start + TEXTS_PER_SEGMENT]
                begun = time.perf_counter()
                found = work.compute(np.array(part), budget, advance)
                yield Segment(part, found, time.perf_counter() - begun)
        if missing:
            padding = padding_share(lengths, by_token_budget(lengths, budget), work.pad_to)
            say(f"encoded {budget:,} tokens at once, {100 * padding:.1f} % of them padding")

    store = Store(work.kind, work.width, settings.cache_bytes) if settings.cache else None
    digests = tokens.digests
    to_write = sum(int(size) for size, digest in zip(work.sizes, digests, strict=True) if store and digest not in store)
    keep = not to_write or has_room(to_write, settings.cache_bytes)
    with kept_or_computed(store, digests, compute, keep=keep) as (arrays, cached_seconds):
        yield TextArrays(arrays, cached_seconds)


def backbone_address(what: str, files: BackboneFiles, precision: str, runtime: Runtime) -> dict[str, object]:
    """Everything that determines a backbone's output apart from its tokens; `Store` adds the libraries' versions.

    Args:
        what: What is kept of the output.
        files: The backbone.
        precision: Number format of its matmuls.
        runtime: Where it computes.
    """
    address: dict[str, object] = {
        "what": what,
        "backbone": files.name,
        "weights": files.sha256(),
        "configuration": file_sha256(files.folder / "config.json"),
        "precision": precision,
        "device": runtime.device,
        # Instruction sets have different kernels, whose results differ in the last digits; so do kinds of GPU.
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    if runtime.device == "cuda":
        address["gpu"] = torch.cuda.get_device_name()
    if files.trust_remote_code:
        address["code"] = {path.name: file_sha256(path) for path in sorted(files.folder.glob("*.py"))}
    return address
