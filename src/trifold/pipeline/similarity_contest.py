"""Methods that learn how similar texts are, compared: `compare --task similarity`."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from trifold.data.scored_pairs import ScoredPairs
from trifold.drawing import drawing
from trifold.errors import SettingsError
from trifold.evaluate.leaderboard import MethodRow
from trifold.evaluate.settings import CompareSettings
from trifold.evaluate.similarity_report import SimilaritySection, describe_similarity, write_similarity_report
from trifold.evaluate.similarity_results import (
    SCORE,
    SimilarityResult,
    read_similarities,
    similarity_leaderboard,
)
from trifold.evaluate.verdict import Verdict, decide
from trifold.methods.catalogue import SIMILARITY, similarity_entry
from trifold.methods.unused_settings import require_used_for_similarity
from trifold.pipeline.contest import Contest, Standing
from trifold.pipeline.contestants import Contestant, chosen_methods, other_rows
from trifold.pipeline.drawn_similarity import draw_similarity, lacks_similarity_files
from trifold.pipeline.request import Request
from trifold.pipeline.similarity_task import SimilarityTask, open_similarity_task
from trifold.types import Examples, Split


class SimilarityContest(Contest[SimilarityResult]):
    """Methods that give pairs of texts a cosine, judged by its rank correlation with the scores."""

    def __init__(self, request: Request, contestants: Mapping[str, Contestant]) -> None:
        super().__init__(request, contestants)
        self.task: SimilarityTask = open_similarity_task(request)
        self._sections: dict[str, SimilaritySection] = {}

    @classmethod
    def methods(cls, request: Request, settings: CompareSettings) -> list[str]:
        """See `Contest.methods`."""
        if settings.preset:
            raise SettingsError(f"--preset {settings.preset} gives labels, and --task similarity scores: leave out one")
        found = chosen_methods(settings.methods, every=tuple(SIMILARITY))
        for name in found:
            similarity_entry(name)
        require_used_for_similarity(found, *request.method_groups.values())
        return found

    @cached_property
    def split(self) -> Split:
        """See `Contest.split`."""
        split = self.task.split
        train, validation, test = (_as_examples(part) for part in (split.train, split.validation, split.test))
        return Split(train, validation, test)

    def notes(self) -> list[str]:
        """See `Contest.notes`."""
        return self.task.warnings()

    def read(self, folder: Path, name: str) -> SimilarityResult:
        """See `Contest.read`."""
        result, test = read_similarities(folder, name), self.task.split.test
        if result.rows.tolist() != list(test.rows) or not np.allclose(result.truth, test.scores):
            raise other_rows(folder)
        return result

    def complete(self, result: SimilarityResult) -> None:
        """See `Contest.complete`."""
        if lacks_similarity_files(result):
            draw_similarity(result, self.contestants[result.name].request, self.task)

    def judge(self, standing: Standing[SimilarityResult]) -> tuple[list[MethodRow], Verdict]:
        """See `Contest.judge`."""
        verdict = decide(standing.results, SCORE, standing.tolerance, missing=bool(standing.skipped))
        return [*similarity_leaderboard(standing.results)], verdict

    def draw(self, standing: Standing[SimilarityResult], rows: Sequence[MethodRow], verdict: Verdict) -> None:  # noqa: ARG002 - the report makes its own
        """See `Contest.draw`."""
        heading = f"Which method to ship for {self.request.data.name}?"
        with drawing("report.html"):
            for result in standing.results:
                if result.name not in self._sections:
                    self._sections[result.name] = describe_similarity(result)
            sections, warnings = list(self._sections.values()), self.task.warnings()
            write_similarity_report(
                standing.folder, heading, sections, verdict, warnings, standing.skipped, standing.command
            )


def _as_examples(part: ScoredPairs) -> Examples:
    """The texts of the pairs, each by itself as it is read, with no label in particular."""
    return Examples(part.rows * 2, part.texts, ("",) * (2 * len(part)))
