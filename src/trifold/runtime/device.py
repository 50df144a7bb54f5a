"""Where tensors are computed, and in which number format."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifold.errors import SettingsError
from trifold.runtime.processor import cpu_multiplies_bfloat16

if TYPE_CHECKING:
    import torch


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
        native = torch.cuda.is_bf16_supported() if device == "cuda" else device == "cpu" and cpu_multiplies_bfloat16()
        precision = "bfloat16" if native else "float32"
    elif precision not in ("float32", "bfloat16"):
        raise SettingsError(f"--precision {precision} is unknown: use auto, float32 or bfloat16")
    return Runtime(device, precision)
