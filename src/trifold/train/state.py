"""The state of a training, saved while it runs so that it can go on after a kill and end with the very same weights.

A state is a folder of two files, tensors as safetensors and everything else as JSON, written aside and renamed into
place. As with progress, whoever trains need not know whether a state is kept: the pipeline opens a `Keeper`, the loop
asks for it.
"""

import contextlib
import hashlib
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trifold.atomic import new_aside, remove, sync, sync_folder
from trifold.errors import TrainingError
from trifold.faults import fault_of, out_of_room
from trifold.progress import duration, say

_TENSORS, _FACTS = "tensors.safetensors", "state.json"
_KEEPER: ContextVar["Keeper | None"] = ContextVar("keeper", default=None)


@dataclass(frozen=True)
class State:
    """A training between two steps.

    Attributes:
        tensors: Weights, averages, the optimiser's moments, the generators of PyTorch; on any device.
        facts: The rest, as plain values.
    """

    tensors: dict[str, Any]
    facts: dict[str, Any]


@dataclass
class Keeper:
    """Saves states into a folder, finds the last one, and knows when to stop.

    Attributes:
        folder: Holds one state a folder, `step-N`.
        save_steps: Save after so many steps; never by steps where `None`.
        save_minutes: Save after so many minutes.
        stopping: Set when the process was asked to stop: the state is to be saved and training to end.
        seconds_before: What the training had taken before this process.
    """

    folder: Path
    save_steps: int | None
    save_minutes: float
    stopping: bool = False
    seconds_before: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def last(self, fingerprint: dict[str, Any]) -> State | None:
        """The latest whole state; `None` where there is none.

        Args:
            fingerprint: What the training is: states of another one are refused.

        Raises:
            TrainingError: If the state is of other settings or data, or every state is damaged.
        """
        from safetensors.torch import load_file

        folders = sorted(self.folder.glob("step-*"), key=lambda path: -int(path.name.removeprefix("step-")))
        for folder in folders:
            try:
                facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
                if facts.pop("sha256") != _sha256(folder / _TENSORS):
                    continue
                tensors = load_file(folder / _TENSORS)
            except (OSError, ValueError, KeyError):
                continue
            _require_same(facts.pop("fingerprint"), fingerprint, self.folder)
            self.seconds_before = float(facts["seconds"])
            return State(tensors, facts)
        if folders:
            raise TrainingError(f"the saved state in {self.folder} is damaged: remove it to start afresh")
        return None

    def after_step(self, step: int, fingerprint: dict[str, Any], snapshot: Callable[[], State]) -> None:
        """Save if it is time to, or if the process was asked to stop; then end it.

        Args:
            step: Steps done.
            fingerprint: As for `last`.
            snapshot: Takes the state; called only where it is saved.

        Raises:
            SystemExit: After saving, if the process was asked to stop.
            TrainingError: If it was, and there is no room for the state.
        """
        by_steps = self.save_steps is not None and step % self.save_steps == 0
        if not (by_steps or self.stopping or time.monotonic() - self._last >= 60 * self.save_minutes):
            return
        self._last = time.monotonic()
        try:
            self._save(step, fingerprint, snapshot())
        except Exception as error:
            if not out_of_room(error):
                raise
            if self.stopping:
                raise TrainingError(
                    f"the state after step {step} could not be saved: {fault_of(error)}; what was saved before is kept"
                ) from error
            # Hours of training are worth more than one state, and the user may make room meanwhile.
            say(f"note: the state after step {step} is not saved: {fault_of(error)}; training goes on")
            return
        if self.stopping:
            say(f"stopped after step {step}; the same command with --resume goes on from there")
            raise SystemExit(143)

    def _save(self, step: int, fingerprint: dict[str, Any], state: State) -> None:
        from safetensors.torch import save_file

        target = self.folder / f"step-{step}"
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = new_aside(target)
        try:
            aside.mkdir()
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}, aside / _TENSORS
            )
            facts = {**state.facts, "fingerprint": fingerprint, "sha256": _sha256(aside / _TENSORS)}
            (aside / _FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
            sync_folder(aside)
            remove(target)
            aside.rename(target)
            sync(self.folder)
        except BaseException:
            remove(aside)
            raise
        for older in (*self.folder.glob("step-*"), *self.folder.glob(".step-*")):
            if older != target:
                remove(older)


def current_keeper() -> Keeper | None:
    """The keeper of this training, if its state is kept."""
    return _KEEPER.get()


@contextlib.contextmanager
def keeping(folder: Path, save_steps: int | None, save_minutes: float) -> Iterator[Keeper]:
    """Inside, the state of a training is kept in `folder`, and SIGTERM and Ctrl-C save it before the process ends."""
    keeper = Keeper(folder, save_steps, save_minutes)
    token = _KEEPER.set(keeper)
    try:
        yield keeper
    finally:
        _KEEPER.reset(token)


@contextlib.contextmanager
def stopping_saves(keeper: Keeper | None) -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C let the current step finish and save the state; a second one ends at once."""
    if keeper is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: Any) -> None:
        handler = before[signal.Signals(number)]
        if keeper.stopping and callable(handler):
            handler(number, frame)
        say("stopping after this step; its state is saved")
        keeper.stopping = True

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def generators() -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of every random generator: tensors of PyTorch's, plain values of Python's and NumPy's."""
    import torch

    tensors = {"generator.torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    name, keys, *rest = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    facts = {"numpy": [name, keys.tolist(), *rest], "python": [version, list(internal), gauss]}  # type: ignore[union-attr]
    return tensors, facts


def restore_generators(state: State) -> None:
    """The inverse of `generators`."""
    import torch

    torch.set_rng_state(state.tensors["generator.torch"])
    if "generator.cuda" in state.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.tensors["generator.cuda"])
    name, keys, *rest = state.facts["generators"]["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    version, internal, gauss = state.facts["generators"]["python"]
    random.setstate((version, tuple(internal), gauss))


def say_resumed(state: State) -> None:
    """Tell where a training goes on."""
    say(f"resumed after step {state.facts['step']}, which took {duration(state.facts['seconds'])}")


def _require_same(saved: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    for name, value in now.items():
        if saved.get(name) != value:
            shown = f"{name} was {saved.get(name)!s:.60} and is {value!s:.60}"
            raise TrainingError(
                f"the state in {folder} is of another training ({shown}): give the settings and data of then, "
                "or remove it to start afresh"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
