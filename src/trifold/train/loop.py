"""The one training loop: masked and next words, adapters and full fine-tuning are all trained here.

It does not know what is learned: an objective turns a model and the positions of some examples into a loss.
"""

from collections.abc import Collection

import torch

from trifold.errors import TrainingError
from trifold.events import say, track
from trifold.formatting import duration
from trifold.runtime import Runtime
from trifold.train.checkpoint import current_checkpointer, saving_on_signal
from trifold.train.config import TrainingConfig
from trifold.train.cuda_graphs import steps_of
from trifold.train.history import History
from trifold.train.objective import Objective, ValidationFigures, evaluate
from trifold.train.session import Session

# A loss this close to guessing after so many steps has not moved: at a sensible rate fifty steps show.
_STEPS_TO_MOVE = 200
_NO_BETTER = 0.995


def train(
    model: torch.nn.Module,
    training: Objective,
    validation: Objective,
    config: TrainingConfig,
    runtime: Runtime,
    head: Collection[str] = (),
) -> tuple[History, ValidationFigures]:
    """Train `model` in place and leave it with the weights of the epoch with the lowest validation loss.

    Weights averaged over the last steps are validated and kept. Epochs are compared by their calibrated loss: a model
    becomes overconfident before it becomes less accurate, and by the raw loss the first epoch would be kept while
    accuracy still rises (docs/decisions/0005).

    Args:
        model: Parameters that require a gradient are trained.
        training: The training data with their loss.
        validation: The data that the best epoch is chosen on.
        config: Learning rate, epochs, batch size, and so on.
        runtime: Where and in which precision it computes.
        head: Names of the parameters that move at the config's `head_rate`.

    Returns:
        The history, and the validation figures of the weights that were kept.

    Raises:
        TrainingError: If a loss is no longer finite, or has not moved after hundreds of steps.
    """
    session = Session(model, training, validation, config, head)
    checkpointer = None if config.quiet else current_checkpointer()
    fingerprint = session.fingerprint() if checkpointer else {}
    saved = checkpointer.last(fingerprint) if checkpointer else None
    if saved:
        session.restore(saved)
        say(f"resumed after step {saved.facts['step']}, which took {duration(saved.facts['seconds'])}")
    steps = steps_of(model, training, config, runtime, session.optimiser, session.distillation, session.recorder)
    left = 0 if config.quiet else session.pace.units_left(session.tokens_left())
    show = track(f"training on {len(training.lengths):,} {config.unit}", left)
    name = "epoch" if config.round_steps is None else "validation"
    with saving_on_signal(checkpointer), show as advance:
        while session.goes_on():
            model.train()
            session.distillation.begin(session.epoch)
            for micro_batches in session.steps():
                steps.take(micro_batches)
                session.end_step()
                advance(session.pace.units_done(int(sum(training.lengths[batch].sum() for batch in micro_batches))))
                if checkpointer:
                    checkpointer.after_step(session.step, fingerprint, session.snapshot)
            with session.average.in_place():
                figures = evaluate(
                    model,
                    validation,
                    config.token_budget,
                    runtime,
                    lambda tokens: advance(session.pace.units_done(tokens // 3)),
                )
                _require_motion(figures, session.step, config)
                session.end_epoch(figures)
            if not config.quiet:
                session.recorder.tell(f"{name} {session.epoch - 1} of {config.epochs}")
        if checkpointer:
            checkpointer.after_training(session.step, fingerprint, session.outcome)
    if not config.quiet:
        say(f"best {name}: {session.best_epoch} of {config.epochs}, {session.best.in_words()}")
    model.load_state_dict(session.best_weights, strict=False)
    model.eval()
    rows = tuple(session.recorder.rows)
    early = session.epoch <= config.epochs and session.out_of_patience
    return History(rows, session.epochs_to_best(), stopped_early=early), session.best


def _require_motion(figures: ValidationFigures, steps: int, config: TrainingConfig) -> None:
    """Stop a training that has learned nothing after hundreds of steps: more of them would not help."""
    if config.must_move and steps >= _STEPS_TO_MOVE and figures.calibrated_loss > _NO_BETTER * figures.prior_loss:
        raise TrainingError(
            f"after {steps} steps the validation loss is {figures.calibrated_loss:.3f}, and guessing gives "
            f"{figures.prior_loss:.3f}: raise --learning-rate (it is {config.learning_rate:g}), "
            "or check that the labels follow from the texts"
        )
