"""What a method may be told beyond its backbone and its training."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """What stands on frozen features.

    Attributes:
        head: Classifier on frozen features; auto lets validation choose between the two.
    """

    head: Literal["auto", "logistic", "mlp"] = "auto"
