"""How long to train: passes or tokens, converted to optimiser steps before training starts, or minutes by the clock."""

import copy
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

from trifold.events import say
from trifold.pretrain.objectives import Excerpt
from trifold.pretrain.settings import LearningSettings
from trifold.runtime import Runtime
from trifold.schema import Amount, Rule, read_facts
from trifold.train.checkpoint import Checkpointer
from trifold.train.config import TrainingConfig
from trifold.train.loop import train as train_model
from trifold.train.objective import Objective

_FILE = "budget.json"
_SHORTEST_PROBE, _LONGEST_PROBE = 2.0, 15.0
_PROBE_SHARE = 0.02


@dataclass(frozen=True)
class TrainingLength:
    """The length of a training, which stays when it is resumed.

    Attributes:
        tokens: Tokens to train on, counting each pass over the text; where minutes are asked for, what they are
            expected to allow.
        asked: What the user asked for, in words.
        seconds: Of training, where minutes are asked for, the last validation left out.
    """

    tokens: int
    asked: str
    seconds: float | None = None

    def config(self, base: TrainingConfig, training: Objective, validations: int) -> TrainingConfig:
        """The config with the number of steps, of which the last reaches `tokens`, and with the validations."""
        lengths = training.lengths
        passes, rest = divmod(self.tokens, int(lengths.sum()))
        # The last step of a pass may be smaller.
        steps = passes * math.ceil(len(lengths) / base.batch_size)
        steps = max(1, steps + math.ceil(rest / (base.batch_size * int(lengths[0]))))
        rounds = min(validations, steps)
        return replace(
            base,
            epochs=rounds,
            round_steps=math.ceil(steps / rounds),
            total_steps=steps,
            limit_seconds=self.seconds,
            unit="blocks",
        )


def trained_tokens(steps: int, batch_size: int, training: Objective) -> int:
    """Tokens that `steps` steps train on, counting each pass over the blocks."""
    lengths = training.lengths
    passes, rest = divmod(steps, math.ceil(len(lengths) / batch_size))
    return passes * int(lengths.sum()) + rest * batch_size * int(lengths[0])


class _BudgetFacts(TypedDict):
    tokens: Annotated[int, Rule("a whole number, 1 or more", lambda value: value > 0)]
    asked: str
    seconds: Amount | None


def keep(budget: TrainingLength, checkpointer: Checkpointer) -> None:
    """Keep the length beside the training's state, for resuming."""
    checkpointer.keep_beside(_FILE, json.dumps(asdict(budget)) + "\n")


def kept_budget(state: Path) -> TrainingLength | None:
    """The length that an interrupted training kept; `None` without one.

    Raises:
        ArtifactError: If it is damaged.
    """
    if not (state / _FILE).is_file():
        return None
    kept = read_facts(state / _FILE, _BudgetFacts)
    return TrainingLength(kept["tokens"], kept["asked"], kept.get("seconds"))


def settle(
    settings: LearningSettings, model: Any, parts: tuple[Objective, Objective], config: TrainingConfig, runtime: Runtime
) -> TrainingLength:
    """Convert what the user asked for to tokens; for minutes, by the training speed at the start.

    Minutes are kept by the clock all the same: should the machine become busier or freer, it is the tokens that change.

    Args:
        settings: Passes, tokens or minutes; one pass if none is set.
        model: The model to train; speed is measured on a copy.
        parts: The objectives of training and validation.
        config: The training config without the steps.
        runtime: Device and precision.
    """
    one_pass = int(parts[0].lengths.sum())
    if settings.max_tokens is not None:
        return TrainingLength(settings.max_tokens, f"{settings.max_tokens:,} tokens")
    if settings.time_limit is None:
        passes = settings.epochs or 1
        return TrainingLength(passes * one_pass, f"{passes} pass{'es' if passes > 1 else ''}")
    seconds = 60 * settings.time_limit
    say("measuring how fast this model trains here, to fit the time limit")
    began = time.monotonic()
    speed = tokens_per_second(model, parts[0], config, runtime, seconds)
    left = seconds - (time.monotonic() - began)
    # Validation is a forward pass without the backward pass: a third of the work.
    validation = int(parts[1].lengths.sum()) / 3
    tokens = int(max(speed * left - settings.validations * validation, config.batch_size * parts[0].lengths[0]))
    say(f"{speed:,.0f} tokens/s now: in {settings.time_limit:g} min that is about {tokens:,} tokens of training")
    return TrainingLength(tokens, f"{settings.time_limit:g} minutes", max(1.0, left - validation / speed))


def tokens_per_second(
    model: Any, training: Objective, config: TrainingConfig, runtime: Runtime, limit_seconds: float
) -> float:
    """Training speed, measured on a copy of the model for a small part of the time limit."""
    enough = min(max(_PROBE_SHARE * limit_seconds, _SHORTEST_PROBE), _LONGEST_PROBE)
    probe = copy.deepcopy(model)
    count = config.batch_size
    while True:
        part = Excerpt(training, min(count, len(training.lengths)))
        one = Excerpt(training, 1)
        began = time.monotonic()
        train_model(probe, part, one, replace(config, epochs=1, quiet=True), runtime)
        seconds = time.monotonic() - began
        # The first measurement does not count, since the first steps of a process are slow.
        if count > config.batch_size and (seconds >= enough or count >= len(training.lengths)):
            return (int(part.lengths.sum()) + int(one.lengths.sum()) / 3) / seconds
        count *= 2
