"""Rules that make logits of a model's scores without knowing a label."""

from collections.abc import Callable

import numpy as np

from trifold.errors import SettingsError
from trifold.llm.labeller import Shots
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.statistics.score_calibration import ScoreMap, by_length, over_batch, shifted, without_text

# The simplest first; and those that make sense where each label is judged by itself.
LABEL_FREE = ("none", "length", "pmi", "contextual", "batch")
LABEL_FREE_OF_SEVERAL = ("none", "contextual")


def label_free_map(
    rule: str, labeller: LikelihoodLabeller, scores: Callable[[], np.ndarray], shots: Shots | None = None
) -> ScoreMap:
    """From scores to logits by a rule of `LABEL_FREE`.

    Args:
        rule: As in `PromptingSettings.calibration`.
        labeller: The model with its task.
        scores: For `batch`: `(texts, words)` log-likelihoods of texts like those that will be labelled.
        shots: Examples that are shown with texts that say nothing; `None` for the task's own.

    Raises:
        BudgetError: If the budget does not allow it.
        LlmError: If the prompt cannot be scored.
        SettingsError: If the rule is for one label a row, and rows have several.
    """
    if labeller.task.several and rule not in LABEL_FREE_OF_SEVERAL:
        raise SettingsError(
            f"--calibration {rule} is not allowed with several labels a row: give {', '.join(LABEL_FREE_OF_SEVERAL)}"
        )
    if rule == "length":
        return by_length(labeller.word_lengths())
    if rule == "batch":
        return over_batch(scores())
    if rule == "none":
        return ScoreMap.plain(len(labeller.task.words))
    silent = labeller.scores_without_text(shots)
    if labeller.task.several:
        return shifted(silent)
    return without_text(silent[:1] if rule == "pmi" else silent)
