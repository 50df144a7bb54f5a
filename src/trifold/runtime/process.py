"""Set a process up for long numeric work, for good or for a while.

The process of a command is its own: the command says so (`own_process`), and `prepare` sets it up. Inside another
program, `prepared` and `unchanged_process` put everything back at their end. Nothing here runs on import.
"""

import ctypes
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Generic, TypeVar

from trifold.runtime.processor import compute_threads

# Names of glibc's mallopt parameters (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30
# Where glibc's own thresholds end in a process that works with large arrays: it raises them up to these by itself.
_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES = 1 << 25, 1 << 26

# The seed that PyTorch's generators have when it is imported (c10's default_rng_seed_val).
_TORCH_SEED = 67_280_421_310_721

_State = TypeVar("_State")
_OWNED = Event()


def own_process() -> None:
    """Say that this process is a command's own, so that `prepare_own` may set it up; called by the command line."""
    # If it is not set, the tokenizers library warns about its threads when a process forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # Of folders that it cannot write its cache to; it then takes a temporary one.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    _OWNED.set()


def prepare_own() -> None:
    """As `prepare`, in the process of a command; nothing inside another program, which has settings of its own."""
    if _OWNED.is_set():
        prepare()


def prepare() -> None:
    """Set this process up for long numeric work, once, before the first tensor.

    glibc hands memory back to the system after every batch and fetches it again, which costs about
    30 % of training time on a CPU; raising its two thresholds in process cures that. Denormal numbers
    are flushed to zero (about 3 % faster training). Threads are set to the usable cores, which PyTorch
    misjudges under a cgroup quota, unless `OMP_NUM_THREADS` names another number. On a GPU, attention is never
    cuDNN's: it plans anew for every batch of another shape, and texts of every length make nearly all of them so
    (full fine-tuning 2.3 to 3.3 times slower, benchmarks/LOG.md).
    """
    import torch

    _set_allocator(_KEEP_BYTES, _KEEP_BYTES)
    torch.set_num_threads(compute_threads())
    torch.set_flush_denormal(True)
    torch.backends.cuda.enable_cudnn_sdp(False)


@contextmanager
def prepared() -> Iterator[None]:
    """Inside, the process is set up as by `prepare`; afterwards it is as it was. A command's own process stays set up.

    Several threads may be inside at the same time: the last one to leave puts back what they share. glibc does not tell
    its thresholds, so these get the values that it raises them to by itself.
    """
    import torch

    if _OWNED.is_set():
        prepare()
        yield
        return

    flushes = _flushes_denormal()
    with _TORCH as before:
        prepare()
        try:
            yield
        finally:
            # Both belong to this thread alone.
            torch.set_num_threads(before.threads)
            torch.set_flush_denormal(flushes)


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Afterwards, these are as they were: environment, random generators, and the progress bars of transformers.

    Several threads may be inside at the same time: the last one to leave puts them back. A command's own process needs
    none of that, and is left alone.
    """
    with nullcontext() if _OWNED.is_set() else _GLOBALS:
        yield


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Inside, an environment variable has this value; afterwards it is as it was."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class _Shared(Generic[_State]):
    """A state of the process that the first of several threads finds, and the last of them puts back.

    Args:
        look: Reads the state.
        put_back: Sets it.
    """

    def __init__(self, look: Callable[[], _State], put_back: Callable[[_State], None]) -> None:
        self._look, self._put_back = look, put_back
        self._lock = Lock()
        self._found: list[_State] = []

    def __enter__(self) -> _State:
        with self._lock:
            self._found.append(self._found[0] if self._found else self._look())
            return self._found[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            found = self._found.pop()
            if not self._found:
                self._put_back(found)


@dataclass(frozen=True)
class _TorchSettings:
    """Settings of PyTorch that all threads share: their number by default, and whether attention may be cuDNN's."""

    threads: int
    cudnn_attention: bool

    @classmethod
    def look(cls) -> "_TorchSettings":
        import torch

        allowed: bool = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
        return cls(torch.get_num_threads(), allowed)

    def put_back(self) -> None:
        import torch

        _set_allocator(_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES)
        torch.backends.cuda.enable_cudnn_sdp(self.cudnn_attention)


@dataclass(frozen=True)
class _Globals:
    """What all of a process shares: environment, states of random generators, whether transformers shows progress.

    Attributes:
        torch: `None` where PyTorch was not imported.
        cuda: A state for each GPU; empty where none was in use, since asking would start them all.
    """

    environment: dict[str, str]
    python: Any
    numpy: Any
    torch: Any
    cuda: list[Any]
    shows_progress: bool

    @classmethod
    def look(cls) -> "_Globals":
        import numpy as np

        torch = sys.modules.get("torch")
        return cls(
            dict(os.environ),
            random.getstate(),
            np.random.get_state(legacy=True),
            torch and torch.get_rng_state(),
            torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else [],
            _transformers_shows_progress(),
        )

    def put_back(self) -> None:
        import numpy as np

        random.setstate(self.python)
        np.random.set_state(self.numpy)
        if "torch" in sys.modules:
            self._put_back_torch()
        for name in os.environ.keys() - self.environment.keys():
            del os.environ[name]
        os.environ.update(self.environment)
        if self.shows_progress and not _transformers_shows_progress():
            sys.modules["transformers"].utils.logging.enable_progress_bar()

    def _put_back_torch(self) -> None:
        import torch

        if self.torch is None:
            torch.manual_seed(_TORCH_SEED)
        else:
            torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        else:
            # A generator that was never used starts from the seed that PyTorch was given.
            torch.cuda.manual_seed_all(torch.initial_seed())


_TORCH = _Shared(_TorchSettings.look, _TorchSettings.put_back)
_GLOBALS = _Shared(_Globals.look, _Globals.put_back)


def _set_allocator(mmap_bytes: int, trim_bytes: int) -> None:
    """Set glibc's thresholds: for a block to be mapped by itself, and for free memory to go back to the system."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, mmap_bytes)
        libc.mallopt(_M_TRIM_THRESHOLD, trim_bytes)


def _flushes_denormal() -> bool:
    """Whether this thread takes denormal numbers for zero, which PyTorch does not tell."""
    import torch

    return not (torch.tensor(1e-310, dtype=torch.float64) * 1.0).item()


def _transformers_shows_progress() -> bool:
    transformers = sys.modules.get("transformers")
    return transformers is None or bool(transformers.utils.logging.is_progress_bar_enabled())


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
