"""The facts on this machine that a measured figure needs beside it."""

import platform
import shutil
import sys
from pathlib import Path

from trifold.runtime.memory import memory_bytes
from trifold.runtime.processor import cpu_multiplies_bfloat16, usable_cores
from trifold.runtime.system_files import first_processor


def has_nvidia_driver() -> bool:
    """Whether a CUDA device may be there; known without importing PyTorch."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


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
    facts = first_processor()
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    numbers = (
        f" (family {facts['cpu family']}, model {facts['model']})" if {"cpu family", "model"} <= set(facts) else ""
    )
    return facts["model name"] + numbers
