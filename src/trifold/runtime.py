"""What this machine offers: cores, memory, precision, device, and the allocator's thresholds.

Nothing here runs on import; `prepare` is called once by whoever starts work (the command line, the estimator).
"""

import ctypes
import os
import platform
import random
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from trifold.errors import SettingsError

if TYPE_CHECKING:
    import torch
    from threadpoolctl import ThreadpoolController

_Result = TypeVar("_Result")

# Names of glibc's mallopt parameters (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30
_LOOK_SECONDS = 0.001
# Where glibc's own thresholds end in a process that works with large arrays: it raises them up to these by itself.
_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES = 1 << 25, 1 << 26


@dataclass(frozen=True)
class Runtime:
    """Where and how tensors are computed.

    Attributes:
        device: A torch device name: `cpu`, `cuda`, `mps`.
        precision: `float32` or `bfloat16`; the latter is used through autocast, weights stay in float32.
    """

    device: str
    precision: str

    @property
    def token_budget(self) -> int:
        """Tokens of one forward pass where nothing better is known; `engines/token_budget.py` measures it."""
        return {"cpu": 4_096, "cuda": 65_536, "mps": 16_384}[self.device]

    def autocast(self) -> "torch.autocast":
        """A context in which matrix products run in `precision`."""
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")


def usable_cores() -> int:
    """Cores this process may use: its affinity mask, capped by the cgroup's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read_first_line("/sys/fs/cgroup/cpu.max")
    if quota and not quota.startswith("max"):
        limit, period = (int(part) for part in quota.split())
        cores = min(cores, max(1, limit // period))
    return cores


def memory_bytes() -> int:
    """Memory this process may use: the machine's, capped by the cgroup's limit. 0 where unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        total = 0
    limit = _read_first_line("/sys/fs/cgroup/memory.max")
    return min(total, int(limit)) if limit and limit.isdigit() else total


def available_bytes() -> int:
    """Memory that is free for the taking, in bytes: what the system can make so without swapping, within a limit."""
    known = _kilobytes("/proc/meminfo", "MemAvailable:")
    free = memory_bytes() if known is None else 1024 * known
    limit, used = (_read_first_line(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit.isdecimal() and used.isdecimal():
        # What files left in memory counts as used, and is given up when something else needs it.
        cached = _kilobytes("/sys/fs/cgroup/memory.stat", "inactive_file ") or 0
        free = min(free, int(limit) - int(used) + cached)
    return free


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far (plus the GPU's peak allocation where one is used).

    On Linux getrusage is of no use: a process starts with the peak of the one that spawned it.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak if sys.platform == "darwin" else 1024 * (_kilobytes("/proc/self/status", "VmHWM:") or peak)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peak += int(torch.cuda.max_memory_allocated())
    return peak


def resident_bytes() -> int:
    """Memory that this process holds now, after the allocator gave back what it kept for later."""
    import psutil

    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def peak_while(work: Callable[[], _Result]) -> tuple[int, _Result]:
    """The largest resident set of this process while `work` runs, looked at every millisecond, and what that gives.

    The system's own high-water mark says nothing of work that stays below an earlier peak.
    """
    import psutil

    process, done = psutil.Process(), Event()
    peak: int = process.memory_info().rss

    def look() -> None:
        nonlocal peak
        while not done.wait(_LOOK_SECONDS):
            peak = max(peak, process.memory_info().rss)

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        result = work()
        peak = max(peak, process.memory_info().rss)
    finally:
        done.set()
        watcher.join()
    return peak, result


def cpu_multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively. Without it, bf16 is up to 100 times slower."""
    return bool(_cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"})


def cpu_multiplies_tiles() -> bool:
    """Whether the processor multiplies whole tiles of bfloat16 at once, as recent Xeons do."""
    return "amx_bf16" in _cpu_flags()


def cpu_multiplies_int8() -> bool:
    """Whether the processor has a dot product of 8-bit integers that sums in 32 bits."""
    return bool(_cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


def compute_threads() -> int:
    """Threads for numeric work: the usable cores, unless `OMP_NUM_THREADS` names another number."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) else usable_cores()


@cache
def _cpu_flags() -> frozenset[str]:
    """What the processor says it can do, where the system tells (Linux)."""
    facts = _cpu_facts()
    return frozenset(facts.get("flags", facts.get("Features", "")).split())


def _cpu_facts() -> dict[str, str]:
    """What the system says of its first processor (Linux), by the names it has for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        facts.setdefault(name.strip(), value.strip())
    return facts


def has_nvidia_driver() -> bool:
    """Whether a CUDA device may be there; known without importing PyTorch."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def choose(device: str = "auto", precision: str = "auto") -> Runtime:
    """Turn the settings `--device` and `--precision` into what this machine will use.

    Raises:
        SettingsError: If the device is unknown, or asked for and not there.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("--device cuda was asked for, but PyTorch sees no CUDA device: use --device cpu or auto")
    elif device == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("--device mps was asked for, but PyTorch sees no Apple GPU: use --device cpu or auto")
    elif device not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"--device {device} is unknown: use auto, cpu, cuda or mps")
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if device == "cuda" else device == "cpu" and cpu_multiplies_bfloat16()
        precision = "bfloat16" if native else "float32"
    elif precision not in ("float32", "bfloat16"):
        raise SettingsError(f"--precision {precision} is unknown: use auto, float32 or bfloat16")
    return Runtime(device, precision)


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
    """As `prepare`, for work inside another program, whose process is afterwards as it was.

    That is: threads, denormal numbers and attention of PyTorch; the generators of random numbers; environment
    variables; whether transformers shows its progress. glibc does not tell its thresholds, so these get the values that
    it raises them to by itself.
    """
    import numpy as np
    import torch

    environment, generators = dict(os.environ), (random.getstate(), np.random.get_state(legacy=True))
    threads, flushes = torch.get_num_threads(), _flushes_denormal()
    attention: bool = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    shows = _transformers_shows_progress()
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            prepare()
            yield
    finally:
        _set_allocator(_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushes)
        torch.backends.cuda.enable_cudnn_sdp(attention)
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        if shows and not _transformers_shows_progress():
            sys.modules["transformers"].utils.logging.enable_progress_bar()


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


def single_threaded_scipy() -> AbstractContextManager[object]:
    """A context in which SciPy's matrix products use one thread; NumPy's are as they were.

    Each brings threads of its own, which wait by spinning. A descent that goes from one to the other thousands of
    times spends its time on that waiting: 12 times slower on two cores (benchmarks/LOG.md).
    """
    limited: AbstractContextManager[object] = _scipy_blas().limit(limits=1)
    return limited


@cache
def _scipy_blas() -> "ThreadpoolController":
    """Found once, as that takes milliseconds; nothing where NumPy and SciPy share one library."""
    import scipy.linalg  # noqa: F401 - or its library would be missed
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController()
    own = [one.filepath for one in found.lib_controllers if "scipy.libs" in one.filepath]
    return found.select(filepath=own)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def hardware() -> dict[str, str | int]:
    """Facts on the machine for `run.json`: what a figure must name to mean anything."""
    facts: dict[str, str | int] = {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "system": platform.platform(),
        "bfloat16": "native" if cpu_multiplies_bfloat16() else "no",
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _cpu_name() -> str:
    """With its family and model where these are told: a name such as AMD EPYC stands for several generations."""
    facts = _cpu_facts()
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    numbers = (
        f" (family {facts['cpu family']}, model {facts['model']})" if {"cpu family", "model"} <= set(facts) else ""
    )
    return facts["model name"] + numbers


def _kilobytes(path: str, name: str) -> int | None:
    """The figure behind `name` in a file of the proc file system."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)


def _read_first_line(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
