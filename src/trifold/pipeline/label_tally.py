"""How labelling a file with a language model went, in numbers."""

from dataclasses import dataclass, field

from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import Spent

_COUNTS = ("rows", "labelled", "failed", "unasked", "unusable", "truncated")


@dataclass
class Tally:
    """How labelling went: numbers of rows, time and money, counted while the rows stream by.

    Attributes:
        rows: All rows of the file.
        labelled: Rows that got a label.
        failed: Rows for which the model gave no usable answer.
        unasked: Rows that the budget did not reach.
        unusable: Rows without a usable text.
        truncated: Rows whose text was longer than the model reads, and was cut.
        agreeing: Labelled rows whose known true label is the one that they got.
        known: Labelled rows whose true label is known.
        unknown: Labelled rows whose true label is not known.
        seconds: Taken by the model, now or when the answers in the log were made.
        spent: Calls and tokens of the model.
        stopped_by: Which limit was reached, in words; empty where none was.
    """

    rows: int = 0
    labelled: int = 0
    failed: int = 0
    unasked: int = 0
    unusable: int = 0
    truncated: int = 0
    agreeing: int = 0
    known: int = 0
    unknown: int = 0
    seconds: float = 0.0
    spent: Spent = field(default_factory=Spent)
    stopped_by: str = ""

    def described(self, llm: LlmSettings) -> dict[str, object]:
        """For JSON: the counts, and what a row costs."""
        money, asked = self.spent.money(llm.prices), max(1, self.labelled + self.failed)
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "failure_rate": round(self.failed / asked, 6),
            "true_labels": {"rows": self.known, "right": self.agreeing, "unknown": self.unknown},
            "calls": self.spent.calls,
            "from_log": self.spent.from_log,
            "prompt_tokens": self.spent.prompt_tokens,
            "answer_tokens": self.spent.answer_tokens,
            "ms_per_text": round(1000 * self.seconds / asked, 4),
            "money_per_1000": None if money is None else round(1000 * money / asked, 9),
        }
