"""How many cores this process may use, and which instructions the processor has."""

import os
from functools import cache

from trifold.runtime.system_files import first_line, first_processor


def usable_cores() -> int:
    """Cores this process may use: its affinity mask, capped by the cgroup's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = first_line("/sys/fs/cgroup/cpu.max")
    if quota and not quota.startswith("max"):
        limit, period = (int(part) for part in quota.split())
        cores = min(cores, max(1, limit // period))
    return cores


def machine_load() -> float | None:
    """Processes that ran or waited for a core, averaged over the last minute; `None` where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def is_busy(load: float | None) -> bool:
    """Whether a load, as `machine_load` gives it, is more than the machine has cores."""
    return load is not None and load > (os.cpu_count() or 1)


def compute_threads() -> int:
    """Threads for numeric work: the usable cores, unless `OMP_NUM_THREADS` names another number."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) else usable_cores()


def cpu_multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively. Without it, bf16 is up to 100 times slower."""
    return bool(_cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"})


def cpu_multiplies_tiles() -> bool:
    """Whether the processor multiplies whole tiles of bfloat16 at once, as recent Xeons do."""
    return "amx_bf16" in _cpu_flags()


def cpu_multiplies_int8() -> bool:
    """Whether the processor has a dot product of 8-bit integers that sums in 32 bits."""
    return bool(_cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


@cache
def _cpu_flags() -> frozenset[str]:
    """What the processor says it can do, where the system tells (Linux)."""
    facts = first_processor()
    return frozenset(facts.get("flags", facts.get("Features", "")).split())
