"""Every method on one split: cheapest first, each in a process of its own, a valid verdict after each."""

import json
import math
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.run_folder import choose_folder, clear_unfinished, output_folder, require_free
from trifold.artifact.run_record import RUN, ComparisonRecord, VerdictRecord, write_run_record
from trifold.atomic import clear_left_over, new_aside, remove, sync_folder
from trifold.child_process import tied
from trifold.data.source import require_lasting
from trifold.drawing import drawing
from trifold.errors import ArtifactError, SettingsError, TrainingError
from trifold.evaluate.forecast import Forecast, forecast
from trifold.evaluate.leaderboard import LeaderboardRow, build_leaderboard, in_words, write_leaderboard
from trifold.evaluate.report import write_report
from trifold.evaluate.results import RunResult, read_result
from trifold.evaluate.settings import CompareSettings
from trifold.evaluate.verdict import Verdict, decide
from trifold.events import say
from trifold.formatting import duration
from trifold.methods.catalogue import METHODS, PROMPT, method_entry, method_name
from trifold.pipeline.request import Request, Task, as_argument, flags_of, models_of, open_task, versions, with_model
from trifold.pipeline.resume import asked_for, require_same
from trifold.runtime import hardware
from trifold.tasks.labels import LabelMap
from trifold.train.checkpoint import Checkpointer

_GRACE_SECONDS = 20.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        folder: One run folder per method, `best/`, leaderboard and report.
        rows: The leaderboard, best score first.
        verdict: What to ship and why.
        skipped: Method to the reason why it is missing.
        interrupted: Whether the user stopped it before all methods were done.
    """

    folder: Path
    rows: tuple[LeaderboardRow, ...]
    verdict: Verdict
    skipped: dict[str, str]
    interrupted: bool


@dataclass(frozen=True)
class _Contestant:
    """A method on a backbone.

    Attributes:
        method: Its name.
        request: What it is asked to do.
    """

    method: str
    request: Request


@dataclass
class _State:
    """What is known so far; the one mutable thing in a comparison."""

    folder: Path
    request: Request
    settings: CompareSettings
    task: Task
    contestants: dict[str, _Contestant]
    before: dict[str, RunResult]
    results: list[RunResult] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def score(self) -> str:
        return self.results[0].record.score_name

    def summarise(self) -> tuple[list[LeaderboardRow], Verdict]:
        """Rewrite leaderboard and report from what is done."""
        rows = build_leaderboard(self.results, self.score)
        verdict = decide(self.results, self.score, self.settings.tolerance)
        write_leaderboard(self.folder, rows)
        title = f"Which method to ship for {self.request.data.name}?"
        command = self.request.command("compare", *flags_of(self.settings))
        with drawing("report.html"):
            write_report(self.folder, title, self.task.facts, self.results, rows, verdict, self.skipped, command)
        return rows, verdict


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
        KeyboardInterrupt: If the user stops it before the first method is done.
    """
    clock = time.monotonic()
    methods = chosen_methods(settings.methods, settings.preset, prompting=bool(request.llm.llm))
    request.require_used(methods)
    contestants = line_up(request, methods)
    going_on = resume and output_dir is not None and output_dir.is_dir()
    target = output_dir if going_on and output_dir else choose_folder(output_dir, "compare")
    require_lasting(request.data, request.reading.test_file, request.reading.validation_file)
    with output_folder(target):
        if going_on:
            _require_comparison(target, contestants)
        else:
            # Another process may have filled it while this one waited.
            require_free(target)
        return _compare(request, settings, contestants, target, clock, going_on=going_on)


def _require_comparison(folder: Path, contestants: Collection[str]) -> None:
    """Refuse to go on in a folder that holds something, and nothing of a comparison: it would be written over.

    Raises:
        SettingsError: If it is such a one.
    """
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if there and not there & {"leaderboard.csv", *contestants}:
        raise SettingsError(f"{folder} holds no comparison to go on with: name its --output-dir, or leave out --resume")


def _compare(
    request: Request,
    settings: CompareSettings,
    contestants: dict[str, _Contestant],
    target: Path,
    clock: float,
    *,
    going_on: bool,
) -> Comparison:
    task = open_task(request)
    before = _done_before(target, contestants, task) if going_on else {}
    for warning in task.facts.warnings():
        say(f"note: {warning}")
    skip_reasons = {
        name: method_entry(one.method).skip_reason(task.split.train, one.request.method_settings)
        for name, one in contestants.items()
    }
    expected = _foresee(task, {name: one for name, one in contestants.items() if not skip_reasons[name]})
    _announce(expected, request)
    target.mkdir(parents=True, exist_ok=True)
    state = _State(target, request, settings, task, contestants, before)
    state.skipped.update({name: reason for name, reason in skip_reasons.items() if reason})
    for name, reason in state.skipped.items():
        say(f"{name} is skipped: {reason}")
    with _interrupts() as interrupted:
        _run_all(state, expected, clock, interrupted)
        if not state.results:
            if not going_on and not any(target.glob(f"*/{STATE}")):
                # Anything else that lies there is somebody's.
                with suppress(OSError):
                    target.rmdir()
            if interrupted():
                raise KeyboardInterrupt
            reasons = "; ".join(f"{name}: {reason}" for name, reason in state.skipped.items())
            raise TrainingError(f"no method came to an end ({reasons}): mend that, or name other --methods")
        rows, verdict = state.summarise()
        _finish(state, verdict, expected, time.monotonic() - clock)
    return Comparison(target, tuple(rows), verdict, state.skipped, interrupted())


def chosen_methods(names: str, preset: str | None = None, *, prompting: bool = False) -> list[str]:
    """The methods named in a comma-separated list, all where it is empty, and the preset.

    Args:
        names: With commas between.
        preset: One more.
        prompting: Whether all includes prompting, which needs a language model.

    Raises:
        SettingsError: If one is unknown or named twice.
    """
    chosen = [method_name(name.strip()) for name in names.split(",") if name.strip()] or [
        *METHODS,
        *([PROMPT] if prompting else []),
    ]
    chosen += [preset] if preset and preset not in chosen else []
    for name in chosen:
        if chosen.count(name) > 1:
            raise SettingsError(f"--methods names {name} twice: name each method once")
    return chosen


def line_up(request: Request, methods: list[str]) -> dict[str, _Contestant]:
    """Every method, and where `--model` names several backbones, every method that needs one on each of them.

    Returns:
        Name to contestant: the method's name, and with several backbones `METHOD-BACKBONE` for those that need one.

    Raises:
        SettingsError: If two backbones have the same name or one is named twice.
    """
    models = models_of(request.backbone)
    if len(models) == 1:
        return {method: _Contestant(method, request) for method in methods}
    short = [re.sub(r"[^\w.]+", "-", Path(model).name) for model in models]
    for name in short:
        if short.count(name) > 1:
            raise SettingsError(f"--model names {name} twice: name backbones that end differently")
    found = {}
    for method in methods:
        if not method_entry(method).needs_backbone:
            found[method] = _Contestant(method, with_model(request, models[0]))
            continue
        for name, model in zip(short, models, strict=True):
            found[f"{method}-{name}"] = _Contestant(method, with_model(request, model))
    return found


def _foresee(task: Task, contestants: dict[str, _Contestant]) -> Forecast:
    """Everyone's forecast, the quickest first."""
    seconds: dict[str, float] = {}
    truncated = 0.0
    by_model: dict[str, list[str]] = {}
    for name, one in contestants.items():
        by_model.setdefault(one.request.backbone.model, []).append(name)
    for names in by_model.values():
        first = contestants[names[0]].request
        found = forecast(task.split, [contestants[name].method for name in names], first.method_settings)
        seconds.update({name: found.seconds[contestants[name].method] for name in names})
        truncated = max(truncated, found.truncated_share)
    return Forecast(dict(sorted(seconds.items(), key=lambda pair: pair[1])), truncated)


def _announce(expected: Forecast, request: Request) -> None:
    total = sum(expected.seconds.values())
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in expected.seconds.items())
    say(f"forecast: about {duration(total)} in all ({parts})")
    if expected.truncated_share > 0.01:
        length = request.backbone.max_length
        say(f"note: {100 * expected.truncated_share:.0f} % of the texts are longer than {length} tokens and are cut")


def _run_all(state: _State, expected: Forecast, clock: float, interrupted: Callable[[], bool]) -> None:
    limit = state.settings.time_limit
    # What the methods so far took, as a multiple of their forecasts: a loaded machine is slower than it promised.
    slowness = 1.0
    for name, seconds in expected.seconds.items():
        left = None if limit is None else 60 * limit - (time.monotonic() - clock)
        if interrupted():
            state.skipped[name] = "stopped before it began"
            continue
        if name in state.before:
            state.results.append(state.before[name])
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
        failure = _run_method(state, name, left, interrupted)
        if failure:
            state.skipped[name] = failure
            say(f"{name} is missing: {failure}")
            continue
        if method_entry(state.contestants[name].method).needs_backbone:
            slowness = max(slowness, (time.monotonic() - begun) / seconds)
        state.results.append(_read_own(state.folder / name, name, state.task))
        rows, _ = state.summarise()
        words = in_words(next(row for row in rows if row.method == name))
        say(f"{name} is done: " + ", ".join(f"{value} {key}" for key, value in words.items() if key != "method"))


def _done_before(folder: Path, contestants: dict[str, _Contestant], task: Task) -> dict[str, RunResult]:
    """What an earlier comparison in this folder found, of the methods that it finished.

    Raises:
        SettingsError: If it had other data or settings; nothing is changed then.
        TrainingError: If it left a half-trained method with other data or settings.
        ArtifactError: If a run is damaged.
    """
    found = {}
    for name, one in contestants.items():
        run = folder / name
        asked = asked_for(one.request, one.method, task.hashes)
        if (run / RUN).is_file():
            require_same(run, asked)
            found[name] = _read_own(run, name, task)
        else:
            Checkpointer(run / STATE, None, 1.0, asked).require_same()
    return found


def _read_own(folder: Path, name: str, task: Task) -> RunResult:
    """A run of this comparison.

    Raises:
        ArtifactError: If it is damaged, or answers other rows than this comparison's test rows.
    """
    result, test = read_result(folder, name), task.split.test
    labels = LabelMap.of(task.data.examples.labels)
    same = result.labels.names == labels.names and result.rows.tolist() == list(test.rows)
    if not (same and np.array_equal(result.truth, labels.encode(test.labels))):
        raise ArtifactError(
            f"{folder} holds answers to other test rows than this comparison's: remove that folder and run again"
        )
    return result


def _run_method(state: _State, name: str, seconds_left: float | None, interrupted: Callable[[], bool]) -> str | None:
    """`trifold finetune` in a process of its own, so that its peak memory is its own; the reason if it failed."""
    one = state.contestants[name]
    command = [
        *(sys.executable, "-m", "trifold", "finetune", as_argument(one.request.data), "--method", one.method),
        *(f"--output-dir={state.folder / name}", "--resume", "--json"),
        *one.request.for_method(one.method).flags(),
        *("--expected-data", state.task.digest),
    ]
    with (
        tied() as ties,
        subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            command, stdout=subprocess.PIPE, text=True, encoding="utf-8", **ties
        ) as process,
    ):
        try:
            output = _await(process, seconds_left, interrupted)
        finally:
            _stop(process)
    if output is None:
        kept = (state.folder / name / STATE).is_dir()
        how = "stopped before its end" if interrupted() else "stopped at the time limit"
        return how + ("; the same command with --resume goes on with it" if kept else "")
    if process.returncode == 0:
        return None
    if interrupted():
        return "stopped before its end"
    if process.returncode == -signal.SIGKILL:
        return "it was killed, most likely for lack of memory"
    try:
        return str(json.loads(output.strip().splitlines()[-1])["error"])
    except (ValueError, KeyError, IndexError):
        return f"it failed with exit code {process.returncode}; its message stands above"


def _await(process: "subprocess.Popen[str]", seconds: float | None, interrupted: Callable[[], bool]) -> str | None:
    """What the process printed; `None` if it was not done in time or the user stopped everything."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while time.monotonic() < deadline and not interrupted():
        try:
            return process.communicate(timeout=_LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            continue
    return None


def _stop(process: "subprocess.Popen[str]") -> None:
    """End the process if it still runs; it clears away what it had begun."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is noted instead of raised, so that the verdict from what is done can still be written."""
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread alone; elsewhere there is nothing to catch.
        yield lambda: False
        return
    seen = False

    def note(_number: int, _frame: object) -> None:
        nonlocal seen
        if not seen:
            say("stopping; the verdict comes from what is done")
        seen = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


def _finish(state: _State, verdict: Verdict, expected: Forecast, seconds: float) -> None:
    best = state.folder / "best"
    # Methods that were stopped leave something; none of them is at work any more. A copy of the best is made anew.
    for name in state.contestants:
        clear_unfinished(state.folder / name)
    clear_left_over(best)
    aside = new_aside(best)
    try:
        shutil.copytree(state.folder / verdict.ship, aside)
        sync_folder(aside)
        remove(best)
        aside.rename(best)
    finally:
        remove(aside)
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
        command=state.request.command("compare", *flags_of(state.settings)),
        seed=state.request.train.seed,
        versions=versions(),
        hardware=hardware(),
        data=state.results[0].record.data,
        train_seconds=sum(result.record.train_seconds for result in state.results),
        seconds=round(seconds, 3),
    )
    write_run_record(state.folder, record)
    write_manifest(state.folder)
