"""Look at a data file as training would, without training."""

from dataclasses import asdict, dataclass

from trifold.data.check import DataSummary
from trifold.models.locate import find_backbone
from trifold.models.tokenizer import Tokenizer
from trifold.pipeline.request import Request, open_task


@dataclass(frozen=True)
class CheckReport:
    """Facts on the data, and how they meet the backbone.

    Attributes:
        facts: On the file and its split.
        max_length: Tokens that are read of a text.
        tokens: Median, 95th percentile and maximum of the texts' lengths in tokens, as far as they are read.
        truncated: Texts that are too long to be read whole.
    """

    facts: DataSummary
    max_length: int
    tokens: tuple[int, int, int]
    truncated: int

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        facts = asdict(self.facts)
        facts["labels"] = {str(label): count for label, count in self.facts.labels.items()}
        facts["variants"] = {str(label): target for label, target in self.facts.variants.items()}
        return {
            **facts,
            "bad_row_reasons": self.facts.reasons(),
            "warnings": self.facts.warnings(),
            "max_length": self.max_length,
            "tokens": self.tokens,
            "truncated": self.truncated,
        }


def check(request: Request) -> CheckReport:
    """Read, split and tokenise the data.

    Raises:
        TrifoldError: If the data do not make a task, or the backbone has no tokenizer to be found.
    """
    import numpy as np

    task = open_task(request)
    files = find_backbone(request.backbone)
    tokens = Tokenizer.chosen(files, request.backbone).encode(task.data.examples.texts)
    lengths = tokens.lengths
    spread = (int(np.median(lengths)), int(np.percentile(lengths, 95)), int(lengths.max()))
    return CheckReport(task.facts, request.backbone.max_length, spread, int(tokens.truncated.sum()))
