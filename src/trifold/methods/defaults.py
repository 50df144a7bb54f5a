"""Numbers of the methods that are needed before a method's module, and PyTorch with it, is worth importing."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Defaults:
    """How a method trains where the user names nothing. Chosen on training splits, never on test rows (LOG.md).

    Attributes:
        learning_rate: At the peak.
        sensible_rates: Below the first nothing moves, above the second training falls apart.
        batch_size: Examples per optimiser step.
        self_distillation: As in the settings; nothing where it has not been measured.
        head_rate: How many times that rate the head moves by, which starts at random where all else has been learned.
    """

    learning_rate: float
    sensible_rates: tuple[float, float]
    batch_size: int = 16
    self_distillation: float = 0.0
    head_rate: float = 1.0


FULL = Defaults(1e-4, (1e-6, 5e-4), self_distillation=0.5, head_rate=30.0)
ADAPTER = Defaults(1e-3, (1e-4, 1e-2), head_rate=3.0)
LORA = replace(ADAPTER, self_distillation=0.5)
CONTRASTIVE = Defaults(2e-5, (1e-6, 2e-4))
# Above this many labelled rows a class, learning from them directly is as good and far cheaper.
CONTRASTIVE_ROWS_A_CLASS = 64


def contrastive_steps(rows: int) -> int:
    """Steps for so many training rows: 60 for a few dozen, 150 from some hundreds on."""
    return int(np.clip(rows, 60, 150))


def tuning_epochs(rows: int) -> int:
    """Passes over so many training rows: three; two from 12,000 rows on, and up to ten below 1,000.

    Small data needs more passes to move the weights at all; one pass is too few even for large data.
    """
    most = np.clip(3_000 / max(1, rows), 3, 10)
    return int(np.clip(36_000 / max(1, rows), 2, most))
