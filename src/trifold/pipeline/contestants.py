"""What a comparison compares: each method, on each backbone where it needs one, and what it is expected to take."""

import re
from dataclasses import dataclass
from pathlib import Path

from trifold.errors import ArtifactError, SettingsError, require
from trifold.evaluate.forecast import Forecast, forecast
from trifold.events import say
from trifold.formatting import duration
from trifold.llm.settings import SERVER_PREFIXES, LlmSettings, PromptingSettings
from trifold.methods.catalogue import ASKING, METHODS, method_entry, method_name
from trifold.pipeline.request import Request, models_of, with_model
from trifold.runtime import is_busy, machine_load
from trifold.types import Split


@dataclass(frozen=True)
class Contestant:
    """A method on a backbone.

    Attributes:
        method: Its name.
        request: What it is asked to do.
    """

    method: str
    request: Request


def asking_methods(llm: LlmSettings, asked: PromptingSettings) -> tuple[str, ...]:
    """The methods that ask the language model that is named, if one is.

    Without labels; and with them where they have a say, as examples or for calibration, which servers do without.
    """
    if llm.llm is None:
        return ()
    return ASKING if asked.shots or not llm.llm.startswith(SERVER_PREFIXES) else ASKING[:1]


def chosen_methods(
    names: str | None, preset: str | None = None, *, asking: tuple[str, ...] = (), every: tuple[str, ...] = METHODS
) -> list[str]:
    """The methods named in a comma-separated list, all where there is none, and the preset.

    Args:
        names: With commas between.
        preset: One more.
        asking: As `asking_methods` gives them, which are among all, too.
        every: What all is besides.

    Raises:
        SettingsError: If one is unknown or named twice, or a list names none.
    """
    every = (*every, *asking)
    chosen = list(every)
    if names is not None:
        chosen = [method_name(name.strip()) for name in names.split(",") if name.strip()]
        require(bool(chosen), f"--methods {names!r}", f"name one of {', '.join(every)}, or leave it out for all")
    chosen += [preset] if preset and preset not in chosen else []
    for name in chosen:
        if chosen.count(name) > 1:
            raise SettingsError(f"--methods names {name} twice: name each method once")
    return chosen


def line_up(request: Request, methods: list[str]) -> dict[str, Contestant]:
    """Every method, and where `--model` names several backbones, every method that needs one on each of them.

    Returns:
        Name to contestant: the method's name, and with several backbones `METHOD-BACKBONE` for those that need one.

    Raises:
        SettingsError: If two backbones have the same name or one is named twice.
    """
    models = models_of(request.backbone)
    if len(models) == 1:
        return {method: Contestant(method, request) for method in methods}
    short = [re.sub(r"[^\w.]+", "-", Path(model).name) for model in models]
    for name in short:
        if short.count(name) > 1:
            raise SettingsError(f"--model names {name} twice: name backbones that end differently")
    found = {}
    for method in methods:
        if not method_entry(method).needs_backbone:
            found[method] = Contestant(method, with_model(request, models[0]))
            continue
        for name, model in zip(short, models, strict=True):
            found[f"{method}-{name}"] = Contestant(method, with_model(request, model))
    return found


def foresee(split: Split, contestants: dict[str, Contestant]) -> Forecast:
    """Everyone's forecast, the quickest first."""
    seconds: dict[str, float] = {}
    truncated = 0.0
    by_model: dict[str, list[str]] = {}
    for name, one in contestants.items():
        by_model.setdefault(one.request.backbone.model, []).append(name)
    for names in by_model.values():
        first = contestants[names[0]].request
        found = forecast(split, [contestants[name].method for name in names], first.method_settings)
        seconds.update({name: found.seconds[contestants[name].method] for name in names})
        truncated = max(truncated, found.truncated_share)
    return Forecast(dict(sorted(seconds.items(), key=lambda pair: pair[1])), truncated)


def announce(expected: Forecast, request: Request) -> None:
    """Say how long it will take, and how many texts are cut."""
    total = sum(expected.seconds.values())
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in expected.seconds.items())
    say(f"forecast: about {duration(total)} in all ({parts})")
    load = machine_load()
    if is_busy(load):
        say(f"note: the machine is busy (load {load:.1f}): all of this takes longer than forecast")
    if expected.truncated_share > 0.01:
        reach = request.backbone.reach
        say(f"note: {100 * expected.truncated_share:.0f} % of the texts are longer than {reach} and are cut")


def other_rows(folder: Path) -> ArtifactError:
    """The error for a run whose test rows are not a comparison's."""
    return ArtifactError(
        f"{folder} holds answers to other test rows than this comparison's: remove that folder and run again"
    )
