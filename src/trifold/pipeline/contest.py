"""What methods compete in, whatever comes out of them: the data, how a run is read and judged, and how it is shown."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from trifold.evaluate.forecast import Forecast
from trifold.evaluate.leaderboard import MethodRow
from trifold.evaluate.results import ScoredRun
from trifold.evaluate.settings import CompareSettings
from trifold.evaluate.verdict import Verdict
from trifold.pipeline.contestants import Contestant, foresee
from trifold.pipeline.request import ReadData, Request
from trifold.types import Split

Run = TypeVar("Run", bound=ScoredRun)


@dataclass(frozen=True)
class Standing(Generic[Run]):
    """What a comparison knows so far.

    Attributes:
        folder: Of the comparison.
        results: Of the methods that are done.
        skipped: Method to the reason why it is missing.
        tolerance: What a cheaper method may lose, in points.
        command: The command line that makes the comparison again.
    """

    folder: Path
    results: Sequence[Run]
    skipped: Mapping[str, str]
    tolerance: float
    command: str


class Contest(ABC, Generic[Run]):
    """What methods compete in.

    Args:
        request: The data and settings, the same for every method.
        contestants: By their names.

    Attributes:
        task: The data, as read.

    Raises:
        DataError: If the file or its rows do not make a task.
    """

    task: ReadData

    def __init__(self, request: Request, contestants: Mapping[str, Contestant]) -> None:
        self.request, self.contestants = request, contestants

    @classmethod
    @abstractmethod
    def methods(cls, request: Request, settings: CompareSettings) -> list[str]:
        """The methods to run.

        Raises:
            SettingsError: If one is unknown, or a setting is used by none.
        """

    @property
    @abstractmethod
    def split(self) -> Split:
        """The parts, for forecasts."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What is to be said of the data and settings before anything runs."""

    def reason(self) -> str | None:
        """Why the metric that decides is what it is; `None` where nothing is to be said."""
        return None

    def skip_reason(self, one: Contestant) -> str | None:  # noqa: ARG002 - most suit any data
        """Why a method is not worth starting on these data."""
        return None

    def foresee(self, names: Collection[str]) -> Forecast:
        """The forecast of these contestants, the quickest first."""
        return foresee(self.split, {name: self.contestants[name] for name in names})

    @abstractmethod
    def read(self, folder: Path, name: str) -> Run:
        """A run of this comparison.

        Raises:
            ArtifactError: If it is damaged, or answers other rows than this comparison's test rows.
        """

    @abstractmethod
    def complete(self, result: Run) -> None:
        """Make what people look at in a run, where its process was killed before it had."""

    @abstractmethod
    def judge(self, standing: Standing[Run]) -> tuple[list[MethodRow], Verdict]:
        """The leaderboard and the verdict."""

    @abstractmethod
    def draw(self, standing: Standing[Run], rows: Sequence[MethodRow], verdict: Verdict) -> None:
        """Write the report, as far as it can be made; a method's figures are drawn once."""
