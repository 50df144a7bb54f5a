"""`explanations.json` of a run folder: the words that decided in the surest mistakes on its test rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trifold.atomic import write_json
from trifold.explanations.explanation import Explanation, Word
from trifold.schema import Count, JsonRecord, read_value
from trifold.types import Label

EXPLANATIONS = "explanations.json"


@dataclass(frozen=True, kw_only=True)
class SavedExplanation(JsonRecord):
    """An explanation without its text, which stands in `errors.csv`.

    Attributes:
        row: Number of the text's row.
        label: That is explained.
        probability: Of it.
        probability_without: Without the deciding words.
        probability_without_random: Without as many drawn by chance.
        method: Where weights come from.
        starts: Position of each word's first character.
        ends: Position after each word's last character.
        weights: Of each word.
        deciding: Positions of the deciding words in these lists.
    """

    row: Count
    label: Label | bool
    probability: float
    probability_without: float
    probability_without_random: float
    method: str
    starts: list[Count]
    ends: list[Count]
    weights: list[float]
    deciding: list[Count]

    @classmethod
    def of(cls, row: int, found: Explanation) -> "SavedExplanation":
        """What is saved of an explanation."""
        places = {word.start: place for place, word in enumerate(found.words)}
        return cls(
            row=row,
            label=found.label,
            probability=found.probability,
            probability_without=found.probability_without,
            probability_without_random=found.probability_without_random,
            method=found.method,
            starts=[word.start for word in found.words],
            ends=[word.end for word in found.words],
            weights=[round(word.weight, 6) for word in found.words],
            deciding=[places[word.start] for word in found.deciding],
        )

    def explanation(self, text: str) -> Explanation | None:
        """The explanation of its text; `None` where it does not fit that."""
        if not len(self.starts) == len(self.ends) == len(self.weights) or max(self.ends, default=0) > len(text):
            return None
        if any(place >= len(self.starts) for place in self.deciding):
            return None
        words = tuple(
            Word(start, end, text[start:end], weight)
            for start, end, weight in zip(self.starts, self.ends, self.weights, strict=True)
        )
        return Explanation(
            text=text,
            label=self.label,
            probability=self.probability,
            predicted=self.label,
            words=words,
            deciding=tuple(words[place] for place in self.deciding),
            probability_without=self.probability_without,
            probability_without_random=self.probability_without_random,
            method=self.method,
            truncated=False,
            evaluations=0,
        )


def write_explanations(folder: Path, found: Mapping[int, Explanation]) -> None:
    """Write `explanations.json`.

    Args:
        folder: The run folder.
        found: Number of a row to the explanation of its text.
    """
    write_json(folder / EXPLANATIONS, [SavedExplanation.of(row, one).as_json() for row, one in found.items()])


def read_explanations(folder: Path) -> dict[int, SavedExplanation]:
    """What a run folder holds, by row; nothing where it has none.

    Raises:
        ArtifactError: If the file is damaged.
    """
    if not (folder / EXPLANATIONS).is_file():
        return {}
    found = read_value(folder / EXPLANATIONS, list[SavedExplanation])
    return {one.row: one for one in found}
