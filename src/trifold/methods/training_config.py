"""From a method's defaults and the user's settings to a config for the training loop, and what of it is recorded."""

from dataclasses import replace

from trifold.events import say
from trifold.methods.defaults import Defaults
from trifold.runtime import Runtime
from trifold.train.config import TrainingConfig
from trifold.train.history import History
from trifold.train.settings import TrainSettings


def make_training_config(
    method: str, defaults: Defaults, given: TrainSettings, *, epochs: int, token_budget: int
) -> TrainingConfig:
    """What the user named wins; a learning rate that makes no sense for the method is said.

    Args:
        method: For the message.
        defaults: Defaults of the method.
        given: By the user.
        epochs: Epochs of the method for this data, unless the user named them.
        token_budget: Token budget of the backbone's settings.
    """
    share = given.self_distillation
    config = replace(
        TrainingConfig.of(
            given,
            learning_rate=defaults.learning_rate,
            epochs=epochs,
            batch_size=defaults.batch_size,
            token_budget=token_budget,
        ),
        self_distillation=defaults.self_distillation if share is None else share,
        head_rate=defaults.head_rate,
    )
    rate = config.learning_rate
    low, high = defaults.sensible_rates
    if not low <= rate <= high:
        say(
            f"note: a learning rate of {rate:g} is {'low' if rate < low else 'high'} for {method}, which wants "
            f"{low:g} to {high:g}; its default is {defaults.learning_rate:g}"
        )
    return config


def chosen_for(config: TrainingConfig, history: History, runtime: Runtime) -> dict[str, object]:
    """What was settled for a training, and how it ended, for `run.json`."""
    return {
        "learning_rate": config.learning_rate,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "token_budget": config.token_budget,
        "best_epoch": history.best_epoch,
        "stopped_early": history.stopped_early,
        "precision": runtime.precision,
    }
