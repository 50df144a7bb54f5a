"""Every method on a few made-up reviews: trained, saved, loaded and asked, to see that this installation works."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from trifold.data.csv_file import save_rows
from trifold.engines.onnx_runtime import require_onnx
from trifold.errors import SettingsError, first_line
from trifold.event_sinks import Silence
from trifold.events import sending_to, track
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import METHODS, method_entry
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.pipeline.export import export
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request, open_task

_THINGS = ("film", "story", "cast", "ending", "music", "dialogue", "plot", "camera")
_OPINIONS = {
    "positive": ("a superb and moving", "a truly wonderful", "an excellent, lovely", "the best and warmest", "a great"),
    "negative": ("a dull and awful", "a truly terrible", "a boring, bad", "the worst and coldest", "a poor"),
}
_ASKED = {"positive": "An excellent, wonderful film.", "negative": "A terrible, boring film."}


@dataclass(frozen=True)
class Trial:
    """How one thing went.

    Attributes:
        name: The method, or `export`.
        result: What came of it.
        seconds: That it took.
        reason: Why it failed or was skipped; empty where it passed.
    """

    name: str
    result: Literal["passed", "failed", "skipped"]
    seconds: float
    reason: str = ""


def run_selftest(model: str, llm: str | None = None) -> list[Trial]:
    """Try every method, and an export.

    Args:
        model: Backbone.
        llm: Language model for prompting, which is skipped where it is `None`.
    """
    # Without labels a language model may well be wrong, which is no fault of the installation.
    names = (*METHODS, "prompt")
    with tempfile.TemporaryDirectory() as place, track(f"trying {len(names)} methods", len(names) + 1) as advance:
        folder = Path(place)
        request = Request(
            _write_reviews(folder / "reviews.csv"),
            backbone=BackboneSettings(model=model, offline=llm is None, cache=False, max_length=32),
            llm=LlmSettings(llm=llm),
        )
        trials = []
        for name in names:
            trials.append(_trial(name, lambda name=name: _method(request, name, folder / name)))  # type: ignore[misc]
            advance(1)
        trials.append(_trial("export", lambda: _export(folder)))
        advance(1)
    return trials


def _write_reviews(path: Path) -> Path:
    rows = [
        {"text": f"{opinion} {thing} number {number}", "label": label}
        for label, opinions in _OPINIONS.items()
        for number, (opinion, thing) in enumerate(product(opinions, _THINGS))
    ]
    save_rows(path, ("text", "label"), rows)
    return path


def _trial(name: str, work: Callable[[], str]) -> Trial:
    """Do something, whatever may be wrong with it.

    Args:
        name: What it is called.
        work: Returns why it was skipped, or nothing.
    """
    begun = time.monotonic()
    try:
        with sending_to(Silence()):
            reason = work()
    except Exception as error:  # noqa: BLE001 - whatever is broken in an installation is what is to be told
        return Trial(name, "failed", time.monotonic() - begun, f"{type(error).__name__}: {first_line(error)}")
    return Trial(name, "skipped" if reason else "passed", time.monotonic() - begun, reason)


def _method(request: Request, name: str, folder: Path) -> str:
    entry = method_entry(name)
    skip_reason = entry.reason_to_skip(open_task(request).split.train, request.method_settings)
    if skip_reason:
        return skip_reason
    finetune(request.for_method(name), name, folder, announce=False)
    predictor = load_run(folder, ComputeSettings(offline=True), request.llm if entry.asks_llm else None).predictor
    given = [found.label for found in predict_texts(predictor, list(_ASKED.values()))]
    if given != list(_ASKED):
        raise AssertionError(f"it calls {' and '.join(_ASKED.values())} {given[0]} and {given[1]}")
    return ""


def _export(folder: Path) -> str:
    try:
        require_onnx()
    except SettingsError as error:
        return str(error)
    export(folder / "features", folder / "exported")
    return ""
