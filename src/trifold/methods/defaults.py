"""Numbers of the methods that are needed before a method's module, and PyTorch with it, is worth importing."""

import numpy as np

# Chosen on training splits, never on test rows: benchmarks/LOG.md.
FULL_LEARNING_RATE = 1e-4
FULL_BATCH_SIZE = 16


def full_epochs(rows: int) -> int:
    """Passes over so many training rows: three; two from 12,000 rows on, and up to ten below 1,000.

    Small data needs more passes to move the weights at all; one pass is too few even for large data.
    """
    most = np.clip(3_000 / max(1, rows), 3, 10)
    return int(np.clip(36_000 / max(1, rows), 2, most))
