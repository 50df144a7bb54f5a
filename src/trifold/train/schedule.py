"""The learning-rate schedule: up in a line over the warm-up, then down in a line to zero, or level."""

from collections.abc import Callable


def warmup_then_decay(total_steps: int, warmup_ratio: float, *, decay: bool = True) -> Callable[[int], float]:
    """The learning rate's factor at a step: up in a line over the warm-up, then down in a line to zero, or level."""
    warmup = max(1, round(total_steps * warmup_ratio))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if not decay:
            return 1.0
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup))

    return factor
