"""Which backbone, and how it is run."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class BackboneSettings:
    """Which backbone, and how it is run.

    Attributes:
        model: `minilm`, a folder, or a hub id such as bert-base-uncased.
        max_length: Tokens of a text that are read, special tokens included; the rest is cut off and counted.
        device: Where to compute.
        precision: Number format of matrix products; auto takes bfloat16 where the hardware multiplies it natively.
        token_budget: Tokens of one forward pass, padding included; splits work, never changes results.
        offline: Open no connection; models must be in the local cache, a folder, or bundled.
    """

    model: str = "minilm"
    max_length: int = 250
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    token_budget: int = 4_096
    offline: bool = False
