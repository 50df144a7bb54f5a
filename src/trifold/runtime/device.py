"""Where tensors are computed, and in which number format."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from trifold.errors import SettingsError
from trifold.runtime.processor import cpu_multiplies_bfloat16

if TYPE_CHECKING:
    import torch

# Rows and columns of the products that are timed, and how often each is: some 30 ms in all.
_SIZE, _TURNS = 512, 6


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
        pays = torch.cuda.is_bf16_supported() if device == "cuda" else device == "cpu" and bfloat16_pays()
        precision = "bfloat16" if pays else "float32"
    elif precision not in ("float32", "bfloat16"):
        raise SettingsError(f"--precision {precision} is unknown: use auto, float32 or bfloat16")
    return Runtime(device, precision)


@cache
def bfloat16_pays() -> bool:
    """Whether this processor's matrix products are faster in bfloat16 than in float32.

    That it has the instructions is not enough: a Xeon whose tiles the virtual machine hides takes twice as long for a
    product in bfloat16 (benchmarks/LOG.md). So both are timed, once a process: by the processor time of one thread,
    since on a busy machine the time that passes tells of other processes, and runs of one comparison would differ.
    """
    if not cpu_multiplies_bfloat16():
        return False
    import torch

    exact = torch.ones(_SIZE, _SIZE)
    short = exact.bfloat16()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            seconds = [(_seconds(lambda: exact @ exact), _seconds(lambda: short @ short)) for _ in range(_TURNS)]
    finally:
        torch.set_num_threads(threads)
    in_float32, in_bfloat16 = (min(one) for one in zip(*seconds[1:], strict=True))
    return bool(in_bfloat16 < in_float32)


def _seconds(product: Callable[[], object]) -> float:
    begun = time.thread_time()
    product()
    return time.thread_time() - begun
