"""Methods that give labels, compared: the contest of `compare` where nothing else is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from trifold.drawing import drawing
from trifold.evaluate.leaderboard import LeaderboardRow, MethodRow, build_leaderboard
from trifold.evaluate.majority import majority_run
from trifold.evaluate.method_section import MethodSection, describe_method
from trifold.evaluate.report import write_report
from trifold.evaluate.results import RunResult, read_result
from trifold.evaluate.settings import CompareSettings
from trifold.evaluate.verdict import Verdict, decide
from trifold.methods.catalogue import method_entry
from trifold.methods.unused_settings import unused
from trifold.pipeline.contest import Contest, Standing
from trifold.pipeline.contestants import Contestant, asking_methods, chosen_methods, other_rows
from trifold.pipeline.deciding_metric import deciding_metric, reason_for_metric
from trifold.pipeline.drawn_run import draw_run, lacks_files
from trifold.pipeline.request import Request, Task, open_task
from trifold.types import Split


class LabelContest(Contest[RunResult]):
    """Methods that give labels."""

    def __init__(self, request: Request, contestants: Mapping[str, Contestant]) -> None:
        super().__init__(request, contestants)
        self.task: Task = open_task(request)
        self._score = deciding_metric(request, self.task)
        self._sections: dict[str, MethodSection] = {}

    @classmethod
    def methods(cls, request: Request, settings: CompareSettings) -> list[str]:
        """See `Contest.methods`."""
        asking = asking_methods(request.llm, request.prompting)
        found = chosen_methods(settings.methods, settings.preset, asking=asking)
        request.require_used(found)
        return found

    @property
    def split(self) -> Split:
        """See `Contest.split`."""
        return self.task.split

    def notes(self) -> list[str]:
        """See `Contest.notes`."""
        without_weight = [
            name for name, one in self.contestants.items() if "class_weight" in unused([one.method], self.request.train)
        ]
        said = [f"--class-weight has no effect on {', '.join(without_weight)}"] if without_weight else []
        return [*self.task.facts.warnings(), *said]

    def reason(self) -> str | None:
        """See `Contest.reason`."""
        return reason_for_metric(self.request, self.task)

    def skip_reason(self, one: Contestant) -> str | None:
        """See `Contest.skip_reason`."""
        return method_entry(one.method).reason_to_skip(self.split.train, one.request.method_settings)

    def read(self, folder: Path, name: str) -> RunResult:
        """See `Contest.read`."""
        result, test, labels = read_result(folder, name), self.split.test, self.task.labels
        same = result.labels.names == labels.names and result.rows.tolist() == list(test.rows)
        if not (same and np.array_equal(result.truth, labels.encode(test.labels))):
            raise other_rows(folder)
        return result

    def complete(self, result: RunResult) -> None:
        """See `Contest.complete`."""
        if lacks_files(result):
            draw_run(result, self.contestants[result.name].request, self.task)

    @cached_property
    def _cautions(self) -> tuple[str, ...]:
        return self.task.facts.label_caution()

    def judge(self, standing: Standing[RunResult]) -> tuple[list[MethodRow], Verdict]:
        """See `Contest.judge`."""
        results = standing.results
        majority = majority_run(results[0])
        verdict = decide(results, self._score, standing.tolerance, majority, missing=bool(standing.skipped))
        rows: list[MethodRow] = [*build_leaderboard(results, self._score, majority)]
        return rows, replace(verdict, sentences=(*self._cautions, *verdict.sentences))

    def draw(self, standing: Standing[RunResult], rows: Sequence[MethodRow], verdict: Verdict) -> None:
        """See `Contest.draw`."""
        title = f"Which method to ship for {self.request.data.name}?"
        shown = [row for row in rows if isinstance(row, LeaderboardRow)]
        with drawing("report.html"):
            for result in standing.results:
                if result.name not in self._sections:
                    self._sections[result.name] = describe_method(result)
            sections = list(self._sections.values())
            facts, skipped = self.task.facts, standing.skipped
            write_report(standing.folder, title, facts, sections, shown, verdict, skipped, standing.command)
