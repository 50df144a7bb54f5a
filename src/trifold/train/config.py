"""The numbers of a training."""

from dataclasses import dataclass

from trifold.train.settings import OptimiserSettings


@dataclass(frozen=True)
class TrainingConfig:
    """A training, every number settled (settings may leave some to the method).

    Attributes:
        learning_rate: At the peak.
        epochs: At most.
        batch_size: Examples per optimiser step.
        token_budget: Tokens per micro-batch, padding included.
        seed: Seed of the order of examples.
        weight_decay: On matrices only.
        warmup_ratio: Share of steps in which the rate rises.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Share of the averaged weights that each step keeps; 0 for no averaging.
        patience: Epochs without improvement before stopping.
        self_distillation: As in `EarlierAnswers`, the share.
        head_rate: How many times the learning rate the head moves by.
        quiet: Show no progress; for heads that train in seconds.
        decay: Whether the rate falls to zero after the warm-up, or stays.
        must_move: Whether a loss that does not move for hundreds of steps is an error.
        round_steps: Steps between two validations; where `None`, an epoch. `epochs` and `patience` then count such
            rounds, which may be shorter than the data or run over its end.
        total_steps: Of all rounds, where they are not to be `epochs` times `round_steps`: some are then a step shorter.
        limit_seconds: What the training may take: rate, validations and end then follow the clock, and `total_steps` is
            what the clock was expected to allow.
        unit: What the examples are, in words.
    """

    learning_rate: float
    epochs: int
    batch_size: int
    token_budget: int
    seed: int
    weight_decay: float
    warmup_ratio: float
    max_grad_norm: float
    ema_decay: float
    patience: int
    self_distillation: float = 0.0
    head_rate: float = 1.0
    quiet: bool = False
    decay: bool = True
    must_move: bool = True
    round_steps: int | None = None
    total_steps: int | None = None
    limit_seconds: float | None = None
    unit: str = "texts"

    @classmethod
    def of(
        cls, given: OptimiserSettings, *, learning_rate: float, epochs: int, batch_size: int, token_budget: int
    ) -> "TrainingConfig":
        """What the user named; rate and batch size as given here where the user left them open."""
        return cls(
            learning_rate=given.learning_rate or learning_rate,
            epochs=epochs,
            batch_size=given.batch_size or batch_size,
            token_budget=token_budget,
            seed=given.seed,
            weight_decay=given.weight_decay,
            warmup_ratio=given.warmup_ratio,
            max_grad_norm=given.max_grad_norm,
            ema_decay=given.ema_decay,
            patience=given.patience,
        )
