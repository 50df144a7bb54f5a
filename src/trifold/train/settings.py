"""How a model is trained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from trifold.errors import require

_MOST_EPOCHS = 100_000


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """How a model is trained, whatever it learns.

    Attributes:
        learning_rate: Peak learning rate; each way of training has its own default.
        epochs: Passes over the training part; each way of training has its own default.
        batch_size: Examples per optimiser step, however the token budget splits it; each way has its own default.
        seed: Seed of everything random in training; the split has its own, fixed at 42.
        weight_decay: Weight decay of AdamW, on matrices only.
        warmup_ratio: Share of the steps over which the learning rate rises; it then falls linearly to zero.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Decay of the moving average of the weights, which is what is kept; 0 keeps the last weights.
        patience: Epochs without a better validation loss before training stops.
        report_to: Send the figures of the training to this experiment tracker, too.
    """

    learning_rate: Annotated[float | None, Parameter(alias="--lr")] = None
    epochs: Annotated[int | None, Parameter(alias="--num-train-epochs")] = None
    batch_size: Annotated[int | None, Parameter(alias="--per-device-train-batch-size")] = None
    seed: int = 42
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    max_grad_norm: float = 1.0
    ema_decay: float = 0.99
    patience: int = 2
    report_to: Literal["none", "tensorboard", "mlflow", "trackio", "wandb"] = "none"

    def __post_init__(self) -> None:
        rate, epochs, batch = self.learning_rate, self.epochs, self.batch_size
        require(rate is None or rate > 0, f"--learning-rate {rate}", "give a positive number, such as 1e-4")
        require(
            epochs is None or 0 < epochs <= _MOST_EPOCHS, f"--epochs {epochs}", f"give 1 or more, to {_MOST_EPOCHS:,}"
        )
        require(batch is None or batch > 0, f"--batch-size {batch}", "give 1 or more")
        require(self.patience > 0, f"--patience {self.patience}", "give 1 or more")
        require(0 <= self.warmup_ratio <= 1, f"--warmup-ratio {self.warmup_ratio}", "give a share from 0 to 1")
        require(self.max_grad_norm > 0, f"--max-grad-norm {self.max_grad_norm}", "give a positive number")
        require(0 <= self.ema_decay < 1, f"--ema-decay {self.ema_decay}", "give 0 or more and less than 1")
        require(self.weight_decay >= 0, f"--weight-decay {self.weight_decay}", "give 0 or more")
        require(0 <= self.seed < 1 << 32, f"--seed {self.seed}", "give a whole number from 0 to 4,294,967,295")


@dataclass(frozen=True, kw_only=True)
class TrainSettings(OptimiserSettings):
    """How a model is trained on labelled texts.

    Attributes:
        class_weight: balanced predicts rare classes as often as is best for macro-F1 on the validation rows; where a
            row may have several labels, rows with a label weigh as much in training as rows without it.
        self_distillation: Share of a text's target that in the last epoch is the model's own prediction of one epoch
            before, instead of the label, against overconfidence; 0 for labels alone. Each method has its own default.
    """

    class_weight: Literal["none", "balanced"] = "none"
    self_distillation: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.self_distillation
        require(share is None or 0 <= share <= 1, f"--self-distillation {share}", "give a share from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """When the state of a training is saved, so that it can go on after a kill.

    Attributes:
        save_steps: Also save the state of the training after every so many steps.
        save_minutes: Save the state every so many minutes; SIGTERM and Ctrl-C always save it.
        resume: Continue from the state in --output-dir; start anew if there is none, do nothing if the run is finished.
    """

    save_steps: int | None = None
    save_minutes: float = 10.0
    resume: bool = False

    def __post_init__(self) -> None:
        require(self.save_steps is None or self.save_steps > 0, f"--save-steps {self.save_steps}", "give 1 or more")
        require(self.save_minutes > 0, f"--save-minutes {self.save_minutes}", "give a positive number")
