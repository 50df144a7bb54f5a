"""What this machine offers, where tensors are computed, and how a process is set up for that.

Importing it neither imports PyTorch nor changes anything.
"""

from trifold.runtime.device import Runtime, bfloat16_pays, choose
from trifold.runtime.machine import hardware, has_nvidia_driver
from trifold.runtime.memory import available_bytes, memory_bytes, peak_memory_bytes, peak_while, resident_bytes
from trifold.runtime.process import (
    environment_variable,
    own_process,
    prepare,
    prepare_own,
    prepared,
    seed_everything,
    unchanged_process,
)
from trifold.runtime.processor import (
    compute_threads,
    cpu_multiplies_bfloat16,
    cpu_multiplies_int8,
    cpu_multiplies_tiles,
    is_busy,
    machine_load,
    usable_cores,
)
from trifold.runtime.scipy_threads import single_threaded_scipy

__all__ = [
    "Runtime",
    "available_bytes",
    "bfloat16_pays",
    "choose",
    "compute_threads",
    "cpu_multiplies_bfloat16",
    "cpu_multiplies_int8",
    "cpu_multiplies_tiles",
    "environment_variable",
    "hardware",
    "has_nvidia_driver",
    "is_busy",
    "machine_load",
    "memory_bytes",
    "own_process",
    "peak_memory_bytes",
    "peak_while",
    "prepare",
    "prepare_own",
    "prepared",
    "resident_bytes",
    "seed_everything",
    "single_threaded_scipy",
    "unchanged_process",
    "usable_cores",
]
