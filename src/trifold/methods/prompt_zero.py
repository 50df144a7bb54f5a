"""`prompt-zero`: a language model is asked, and no labelled text has a say, be it as an example or for calibration."""

import numpy as np

from trifold.events import say
from trifold.llm.labeller import Labeller
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.score_rules import label_free_map
from trifold.methods.contract import Fitted
from trifold.methods.prompt import Prompting
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

# Needs neither labels nor other texts, so that it holds wherever a text may come from.
_RULE = "contextual"


class PromptingWithoutLabels(Prompting):
    """Zero-shot prompting, the row of a leaderboard that says what a language model does where nobody labelled a text.

    Source: Zhao et al. 2021, "Calibrate Before Use: Improving Few-Shot Performance of Language Models", for what is
    taken off a local model's scores.
    """

    name = "prompt-zero"
    summary = "a language model is told what to do, and no labelled text is used"
    uses_labels = False

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:  # noqa: ARG002 - see below
        """See `Method.learn`. Of the training part the names of the labels are used, and nothing of validation."""
        labeller, kept = self.prepare(train, labels)
        say(f"prompt-zero: {kept['llm']} is told what to do, and no labelled text is used")
        if self.settings.prompting.score_by == "auto":
            say("note: prompt-zero has no labels to choose between words and letters by, and takes words")
        return self.fitted(labeller, labels, kept, self._choices(labeller), np.zeros((0, len(labels))))

    def _choices(self, labeller: Labeller) -> dict[str, object]:
        if not isinstance(labeller, LikelihoodLabeller):
            return {"votes": self.settings.prompting.votes}
        labeller.score_map = label_free_map(_RULE, labeller, lambda: np.zeros((0, len(labeller.task.words))))
        return {"score_by": labeller.task.score_by, "calibration": _RULE}
