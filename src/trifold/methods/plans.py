"""From a method's defaults and the user's settings to a plan for the training loop."""

from dataclasses import replace

from trifold.methods.defaults import Defaults
from trifold.progress import say
from trifold.train.plan import Plan
from trifold.train.settings import TrainSettings


def make_plan(method: str, defaults: Defaults, given: TrainSettings, *, epochs: int, token_budget: int) -> Plan:
    """What the user named wins; a learning rate that makes no sense for the method is said.

    Args:
        method: For the message.
        defaults: Of the method.
        given: By the user.
        epochs: Of the method for this data, unless the user named them.
        token_budget: Of the backbone's settings.
    """
    share = given.self_distillation
    plan = replace(
        Plan.of(
            given,
            learning_rate=defaults.learning_rate,
            epochs=epochs,
            batch_size=defaults.batch_size,
            token_budget=token_budget,
        ),
        self_distillation=defaults.self_distillation if share is None else share,
        head_rate=defaults.head_rate,
    )
    rate = plan.learning_rate
    low, high = defaults.sensible_rates
    if not low <= rate <= high:
        say(
            f"note: a learning rate of {rate:g} is {'low' if rate < low else 'high'} for {method}, which wants "
            f"{low:g} to {high:g}; its default is {defaults.learning_rate:g}"
        )
    return plan
