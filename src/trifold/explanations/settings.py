"""How a label is explained."""

from dataclasses import dataclass

from trifold.errors import SettingsError, require

_EVALUATIONS, _EVALUATIONS_OF_ASKING = 150, 60


@dataclass(frozen=True, kw_only=True)
class ExplanationSettings:
    """How a label is explained.

    Attributes:
        label: The label to explain; by default the one that the model gives, of several the surest.
        words: Name so many deciding words.
        evaluations: Ask the model at most so often about one text; by default 150 times, or 60 where a language model
            is asked. Longer texts are then looked at in groups of words first.
    """

    label: str | None = None
    words: int = 5
    evaluations: int | None = None

    def __post_init__(self) -> None:
        require(self.words >= 1, f"--words {self.words}", "give 1 or more")
        given = self.evaluations
        require(given is None or given >= 20, f"--evaluations {given}", "give 20 or more")

    def most_evaluations(self, *, asks_llm: bool) -> int:
        """How often the model may be asked about one text.

        Args:
            asks_llm: Whether it is a language model, which takes time or money for each answer.
        """
        return self.evaluations or (_EVALUATIONS_OF_ASKING if asks_llm else _EVALUATIONS)


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """Which rows of a file are explained, one by one; without any of these, the file as a whole is.

    Attributes:
        rows: The rows with these numbers, with commas between; the first below the header is 1.
        mistakes: Those that the model labels otherwise than the file does, the surest first.
        sample: So many rows, drawn by chance.
        most: Explain at most so many rows: of mistakes 10 by default; of a file as a whole 200 drawn by chance, or all
            where the model is linear, or 20 where a language model is asked.
    """

    rows: str | None = None
    mistakes: bool = False
    sample: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        choices = {"--rows": self.rows, "--mistakes": self.mistakes, "--sample": self.sample}
        given = [flag for flag, value in choices.items() if value]
        require(len(given) < 2, " with ".join(given), "give one of them")
        require(self.sample is None or self.sample >= 1, f"--sample {self.sample}", "give 1 or more")
        require(self.most is None or self.most >= 1, f"--most {self.most}", "give 1 or more")
        if self.most is not None and (self.rows or self.sample):
            raise SettingsError(f"--most is for --mistakes and for a file as a whole: leave it out beside {given[0]}")
        self.numbers  # noqa: B018 - refused now if they are none

    @property
    def one_by_one(self) -> bool:
        """Whether single rows are explained."""
        return bool(self.rows or self.mistakes or self.sample)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the rows that are named, without repetitions.

        Raises:
            SettingsError: If one is no row number.
        """
        parts = [part.strip() for part in (self.rows or "").split(",") if part.strip()]
        wrong = [part for part in parts if not (part.isascii() and part.isdigit() and int(part[:18]) > 0)]
        require(not wrong and (self.rows is None or bool(parts)), f"--rows {self.rows}", "give numbers such as 1,5,9")
        return tuple(dict.fromkeys(map(int, parts)))
