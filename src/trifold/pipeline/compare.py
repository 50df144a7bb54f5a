"""Every method on one split: cheapest first, each in a process of its own, and a verdict from those that are done."""

import shlex
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.run_folder import choose_folder, clear_unfinished, output_folder, require_free
from trifold.artifact.run_record import ComparisonRecord, VerdictRecord, write_run_record
from trifold.atomic import clear_left_over, replaced_folder, sync_folder
from trifold.data.source import require_lasting
from trifold.errors import TrainingError
from trifold.evaluate.forecast import Forecast
from trifold.evaluate.leaderboard import MethodRow, in_words, write_leaderboard
from trifold.evaluate.settings import CompareSettings
from trifold.evaluate.verdict import Verdict
from trifold.events import say
from trifold.formatting import duration
from trifold.methods.catalogue import method_entry
from trifold.pipeline.contest import Contest, Run, Standing
from trifold.pipeline.contestants import Contestant, announce, line_up
from trifold.pipeline.earlier_comparison import finished_earlier, require_comparison
from trifold.pipeline.label_contest import LabelContest
from trifold.pipeline.method_process import interrupts, run_in_own_process
from trifold.pipeline.request import Request, flags_of
from trifold.pipeline.similarity_contest import SimilarityContest
from trifold.runtime import hardware
from trifold.version import versions


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        folder: One run folder per method, `best/`, leaderboard and report.
        rows: The leaderboard, best score first.
        verdict: What to ship and why.
        skipped: Method to the reason why it is missing.
        interrupted: Number of the signal that stopped it before all methods were done; 0 where none did.
    """

    folder: Path
    rows: tuple[MethodRow, ...]
    verdict: Verdict
    skipped: dict[str, str]
    interrupted: int

    def how_to_go_on(self) -> str:
        """What to do about a comparison that was stopped, in a sentence."""
        return _how_to_go_on(self.folder)


def _how_to_go_on(folder: Path) -> str:
    return (
        f"stopped: the same command with --output-dir {shlex.quote(str(folder))} --resume goes on with what is missing"
    )


@dataclass(frozen=True)
class Expectation:
    """What `compare` would do.

    Attributes:
        seconds: Method to what it would take, the quickest first.
        truncated_share: As in `Forecast`.
        skipped: Method to the reason why it would be missing.
    """

    seconds: dict[str, float]
    truncated_share: float
    skipped: dict[str, str]


@dataclass
class _State(Generic[Run]):
    """What is known so far; the one mutable thing in a comparison."""

    folder: Path
    contest: Contest[Run]
    settings: CompareSettings
    before: dict[str, Run]
    results: list[Run] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    rows: list[MethodRow] = field(default_factory=list)
    verdict: Verdict | None = None
    _shown: object = None

    def add(self, result: Run) -> MethodRow:
        """Take one more method that is done, and show what is known then."""
        self.results.append(result)
        self.show()
        return next(row for row in self.rows if row.method == result.name)

    def show(self) -> Verdict:
        """Write leaderboard and report, so that they stand whatever comes; nothing is redrawn where nothing is new."""
        known = ([result.name for result in self.results], dict(self.skipped))
        if self.verdict is None or known != self._shown:
            standing = Standing(self.folder, self.results, self.skipped, self.settings.tolerance, self.command)
            self.rows, self.verdict = self.contest.judge(standing)
            write_leaderboard(self.folder, self.rows)
            self.contest.draw(standing, self.rows, self.verdict)
            self._shown = known
        return self.verdict

    @property
    def command(self) -> str:
        """The command line that makes the same comparison."""
        return self.contest.request.command("compare", *flags_of(self.settings))


def expect(request: Request, settings: CompareSettings) -> Expectation:
    """Forecast what `compare` would take, within seconds; nothing is trained.

    Raises:
        TrifoldError: If nothing given can be used.
    """
    kind, contestants = _contestants(request, settings)
    contest = kind(request, contestants)
    skipped = _skip_reasons(contest)
    expected = contest.foresee([name for name in contestants if name not in skipped])
    return Expectation(expected.seconds, expected.truncated_share, skipped)


def _contestants(request: Request, settings: CompareSettings) -> tuple[type[Contest[Any]], dict[str, Contestant]]:
    kind: type[Contest[Any]] = SimilarityContest if request.reading.task == "similarity" else LabelContest
    return kind, line_up(request, kind.methods(request, settings))


def _skip_reasons(contest: Contest[Run]) -> dict[str, str]:
    """Method to the reason why it is not worth starting."""
    found = {name: contest.skip_reason(one) for name, one in contest.contestants.items()}
    return {name: reason for name, reason in found.items() if reason}


def compare(
    request: Request, settings: CompareSettings, output_dir: Path | None = None, *, resume: bool = False
) -> Comparison:
    """Run the methods, cheapest first, and decide.

    Args:
        request: The data and settings, the same for every method.
        settings: Which methods, how long, how tolerant.
        output_dir: Where to; `runs/DATE-compare` where `None`.
        resume: Keep the methods that `output_dir` holds, and go on with one that was stopped.

    Raises:
        TrifoldError: If nothing given can be used, or no method came to an end.
        KeyboardInterrupt: If Ctrl-C stops it before the first method is done.
        SystemExit: If SIGTERM does.
    """
    clock = time.monotonic()
    kind, contestants = _contestants(request, settings)
    going_on = resume and output_dir is not None and output_dir.is_dir()
    target = output_dir if going_on and output_dir else choose_folder(output_dir, "compare")
    require_lasting(*request.files.values())
    with output_folder(target):
        if going_on:
            require_comparison(target, contestants)
        else:
            # Another process may have filled it while this one waited.
            require_free(target)
        return _compare(kind(request, contestants), settings, target, clock, going_on=going_on)


def _compare(
    contest: Contest[Run], settings: CompareSettings, target: Path, clock: float, *, going_on: bool
) -> Comparison:
    before = finished_earlier(target, contest) if going_on else {}
    for result in before.values():
        contest.complete(result)
    for note in contest.notes():
        say(f"note: {note}")
    skipped = _skip_reasons(contest)
    expected = contest.foresee([name for name in contest.contestants if name not in skipped])
    announce(expected, contest.request)
    if reason := contest.reason():
        say(reason)
    target.mkdir(parents=True, exist_ok=True)
    state = _State(target, contest, settings, before)
    state.skipped.update(skipped)
    for name, reason in state.skipped.items():
        say(f"{name} is skipped: {reason}")
    with interrupts() as interrupted:
        _run_all(state, expected, clock, interrupted)
        if not state.results:
            if not going_on and not any(target.glob(f"*/{STATE}")):
                # Anything else that lies there is somebody's.
                with suppress(OSError):
                    target.rmdir()
            if interrupted() and target.is_dir():
                say(_how_to_go_on(target))
            if interrupted() == signal.SIGINT:
                raise KeyboardInterrupt
            if number := interrupted():
                raise SystemExit(128 + number)
            reasons = "; ".join(f"{name}: {reason}" for name, reason in state.skipped.items())
            raise TrainingError(f"no method came to an end ({reasons}): correct that, or name other --methods")
        verdict = state.show()
        _finish(state, verdict, expected, time.monotonic() - clock)
    return Comparison(target, tuple(state.rows), verdict, state.skipped, interrupted())


def _run_all(state: _State[Run], expected: Forecast, clock: float, interrupted: Callable[[], int]) -> None:
    limit = state.settings.time_limit
    # What the methods so far took, as a multiple of their forecasts: a loaded machine is slower than it promised.
    slowness = 1.0
    for name, seconds in expected.seconds.items():
        left = None if limit is None else 60 * limit - (time.monotonic() - clock)
        if interrupted():
            state.skipped[name] = "stopped before it began"
            continue
        if name in state.before:
            state.add(state.before[name])
            say(f"{name} was done before")
            continue
        if left is not None and seconds * slowness > left:
            state.skipped[name] = (
                f"it would take about {duration(seconds * slowness)}, "
                f"and {duration(max(0.0, left))} of the time limit were left"
            )
            say(f"{name} is skipped: {state.skipped[name]}")
            continue
        begun = time.monotonic()
        one = state.contest.contestants[name]
        failure = run_in_own_process(one, state.folder / name, state.contest.task.digest, left, interrupted)
        if failure:
            state.skipped[name] = failure
            say(f"{name} is missing: {failure}")
            continue
        if method_entry(one.method).needs_backbone:
            slowness = max(slowness, (time.monotonic() - begun) / seconds)
        words = in_words(state.add(state.contest.read(state.folder / name, name)))
        say(f"{name} is done: " + ", ".join(f"{value} {key}" for key, value in words.items() if key != "method"))


def _keep_best(state: _State[Run], verdict: Verdict) -> None:
    """Make `best/`, a copy of the run to ship, anew; what methods that were stopped left goes."""
    best = state.folder / "best"
    # None of them is at work any more.
    for name in state.contest.contestants:
        clear_unfinished(state.folder / name)
    clear_left_over(best)
    with replaced_folder(best) as aside:
        shutil.copytree(state.folder / verdict.ship, aside, dirs_exist_ok=True)
        sync_folder(aside)


def _finish(state: _State[Run], verdict: Verdict, expected: Forecast, seconds: float) -> None:
    _keep_best(state, verdict)
    record = ComparisonRecord(
        verdict=VerdictRecord(
            ship=verdict.ship,
            best=verdict.best,
            guess=verdict.guess,
            expected=vars(verdict.expected) if verdict.expected else None,
            undecided=verdict.undecided,
            sentences=list(verdict.sentences),
        ),
        skipped=state.skipped,
        forecast_seconds={name: round(value, 1) for name, value in expected.seconds.items()},
        command=state.command,
        seed=state.contest.request.train.seed,
        versions=versions(),
        hardware=hardware(),
        data=state.results[0].record.data,
        train_seconds=sum(result.record.train_seconds for result in state.results),
        seconds=round(seconds, 3),
    )
    write_run_record(state.folder, record)
    write_manifest(state.folder)
