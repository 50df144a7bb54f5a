"""What is told of the labels that a model gives."""

from dataclasses import dataclass

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """What is told of a text's labels.

    Attributes:
        reject_below: Give no label where the model is less sure than this probability.
        probabilities: Tell the probability of every label; of a file in columns probability_LABEL.
        top_k: Tell the so many likeliest labels with their probabilities; of a file in columns top_1, top_1_probability
            and so on.
    """

    reject_below: float = 0.0
    probabilities: bool = False
    top_k: int | None = None

    def require_usable(self, labels: int) -> None:
        """Refuse values that no model, or not one with so many labels, could follow.

        Raises:
            SettingsError: If there are such.
        """
        require_probability(self.reject_below)
        top_k = self.top_k
        if top_k is not None:
            require(1 <= top_k <= labels, f"--top-k {top_k}", f"the model has {labels} labels, give 1 to {labels}")


def require_probability(reject_below: float) -> None:
    """Refuse a `reject_below` that is no probability below 1.

    Raises:
        SettingsError: If it is none.
    """
    require(0 <= reject_below < 1, f"--reject-below {reject_below}", "give a probability from 0 to 1, such as 0.8")
