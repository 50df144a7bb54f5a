"""Look at a data file as training would, without training."""

from dataclasses import asdict, dataclass

from trifold.data.check import DataSummary
from trifold.data.leakage import alike
from trifold.formatting import counted
from trifold.models.locate import find_backbone
from trifold.models.tokenizer import Tokenizer
from trifold.pipeline.request import Request, open_task

_SHOWN_CONFLICTS = 3


@dataclass(frozen=True)
class CheckReport:
    """Facts on the data, and how they meet the backbone.

    Attributes:
        facts: On the file and its split.
        max_length: Tokens that are read of a text.
        tokens: Median, 95th percentile and maximum of the texts' lengths in tokens, as far as they are read.
        truncated: Texts that are too long to be read whole.
        near_duplicates: Texts that are nearly the same as an earlier one.
        near_conflicts: Lines of two texts that are nearly the same and have different labels.
    """

    facts: DataSummary
    max_length: int
    tokens: tuple[int, int, int]
    truncated: int
    near_duplicates: int
    near_conflicts: tuple[tuple[int, int], ...]

    def warnings(self) -> list[str]:
        """Sentences on what should be looked at before training, what may be wrong labels first."""
        found = self.facts.warnings()
        if self.near_conflicts:
            lines = "; ".join(f"lines {one:,} and {other:,}" for one, other in self.near_conflicts[:_SHOWN_CONFLICTS])
            more = "; and more" if len(self.near_conflicts) > _SHOWN_CONFLICTS else ""
            pairs = counted(len(self.near_conflicts), "pair")
            found.insert(0, f"{pairs} of nearly the same text with different labels ({lines}{more})")
        return found

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        facts = asdict(self.facts)
        facts["labels"] = {str(label): count for label, count in self.facts.labels.items()}
        facts["variants"] = {str(label): target for label, target in self.facts.variants.items()}
        facts["similar"] = {str(label): target for label, target in self.facts.similar.items()}
        return {
            **facts,
            "bad_row_reasons": self.facts.reasons(),
            "warnings": self.warnings(),
            "near_duplicates": self.near_duplicates,
            "near_conflicts": self.near_conflicts,
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
    examples = task.data.examples
    near = alike(examples.texts)
    lines = examples.lines or examples.rows
    conflicts = [
        (lines[one], lines[other])
        for one, other in zip(near.left.tolist(), near.right.tolist(), strict=True)
        if examples.labels[one] != examples.labels[other]
    ]
    return CheckReport(
        task.facts,
        request.backbone.max_length,
        spread,
        int(tokens.truncated.sum()),
        len(near.left),
        tuple(sorted(conflicts)),
    )
