"""How much memory there is, and how much this process takes."""

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import TypeVar

from trifold.runtime.system_files import first_line, kilobytes

_Result = TypeVar("_Result")
_LOOK_SECONDS = 0.001


def memory_bytes() -> int:
    """Memory this process may use: the machine's, capped by the cgroup's limit. 0 where unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        total = 0
    limit = first_line("/sys/fs/cgroup/memory.max")
    return min(total, int(limit)) if limit and limit.isdigit() else total


def available_bytes() -> int:
    """Memory that is free for the taking, in bytes: what the system can make so without swapping, within a limit."""
    known = kilobytes("/proc/meminfo", "MemAvailable:")
    free = memory_bytes() if known is None else 1024 * known
    limit, used = (first_line(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit.isdecimal() and used.isdecimal():
        # What files left in memory counts as used, and is given up when something else needs it.
        cached = kilobytes("/sys/fs/cgroup/memory.stat", "inactive_file ") or 0
        free = min(free, int(limit) - int(used) + cached)
    return free


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far (plus the GPU's peak allocation where one is used).

    On Linux getrusage is of no use: a process starts with the peak of the one that spawned it.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak if sys.platform == "darwin" else 1024 * (kilobytes("/proc/self/status", "VmHWM:") or peak)
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
