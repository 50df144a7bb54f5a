"""The state of a training, saved while it runs so that it can go on after a kill and end with the very same weights.

A state is a folder of three files, tensors as safetensors, everything else as JSON, and the hashes of both, written
aside and renamed into place. As with progress, whoever trains need not know whether a state is kept: the pipeline opens
a `Checkpointer`, the loop asks for it.
"""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifold.atomic import remove, replaced_folder, sync, sync_folder, write_text
from trifold.errors import TrainingError
from trifold.events import say
from trifold.hashing import file_sha256
from trifold.stop_signals import handled
from trifold.system_errors import fault_of, out_of_room

_TENSORS, _FACTS, _HASHES = "tensors.safetensors", "state.json", "sha256.json"
_KEEPER: ContextVar["Checkpointer | None"] = ContextVar("keeper", default=None)


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        tensors: Weights, averages, the optimiser's moments, the generators of PyTorch; on any device.
        facts: The rest, as plain values.
    """

    tensors: dict[str, Any]
    facts: dict[str, Any]


@dataclass
class Checkpointer:
    """Saves states into a folder, finds the last one, and knows when to stop.

    Attributes:
        folder: Holds one state a folder, `step-N`.
        save_steps: Save after so many steps; never by steps where `None`.
        save_minutes: Save after so many minutes.
        asked: What decides on the training before anything of it is computed: data, method and settings.
        stopping: Set when the process was asked to stop: the state is to be saved and training to end.
        exit_code: Of the process once it was stopped: 130 after Ctrl-C, 143 after SIGTERM, as shells count.
        seconds_before: What the training had taken before this process.
    """

    folder: Path
    save_steps: int | None
    save_minutes: float
    asked: Mapping[str, Any] = field(default_factory=dict)
    stopping: bool = False
    exit_code: int = 128 + signal.SIGTERM
    seconds_before: float = 0.0
    _last: float = field(default_factory=time.monotonic)
    _outcome: Callable[[], None] | None = None
    _beside: set[str] = field(default_factory=set)

    def last(self, fingerprint: dict[str, Any]) -> Checkpoint | None:
        """The latest whole state; `None` where there is none.

        Args:
            fingerprint: What the training is: states of another one are refused.

        Raises:
            TrainingError: If the state is of other settings or data, or every state is damaged.
        """
        from safetensors.torch import load_file

        found = self._latest()
        if found is None:
            return None
        folder, facts = found
        _require_same(facts.pop("fingerprint"), {"asked": self.asked, **fingerprint}, self.folder)
        self.seconds_before = float(facts["seconds"])
        return Checkpoint(load_file(folder / _TENSORS), facts)

    def require_same(self) -> None:
        """Refuse to go on where the saved state is of other data, another method or other settings.

        Raises:
            TrainingError: If it is, or if every state is damaged.
        """
        found = self._latest()
        if found is not None:
            _require_same(found[1]["fingerprint"], {"asked": self.asked}, self.folder)

    def _latest(self) -> tuple[Path, dict[str, Any]] | None:
        """The folder and facts of the latest state whose files are as they were written.

        Raises:
            TrainingError: If there are states, and none is whole.
        """
        numbers = [path.name.removeprefix("step-") for path in self.folder.glob("step-*")]
        for number in sorted((int(number) for number in numbers if number.isdecimal()), reverse=True):
            folder = self.folder / f"step-{number}"
            try:
                hashes = json.loads((folder / _HASHES).read_bytes())
                if hashes == _hashes(folder):
                    # Not `parse_json`: losses that are infinite yet are part of a state.
                    return folder, json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
        if numbers:
            raise TrainingError(f"the saved state in {self.folder} is damaged: remove it to start afresh")
        return None

    def after_step(self, step: int, fingerprint: dict[str, Any], snapshot: Callable[[], Checkpoint]) -> None:
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
            raise SystemExit(self.exit_code)

    def after_training(self, step: int, fingerprint: dict[str, Any], outcome: Callable[[], Checkpoint]) -> None:
        """Keep at hand what was learned, which is saved only if the process is stopped before its run is in place.

        Args:
            step: Steps done.
            fingerprint: As for `last`.
            outcome: Takes the state.

        Raises:
            SystemExit: After saving, if the process was asked to stop since the last step.
        """
        self._outcome = lambda: self._save(step, fingerprint, outcome())
        if self.stopping:
            raise SystemExit(self.exit_code)

    def keep_beside(self, name: str, text: str) -> None:
        """Keep a file beside the states, which goes unless there is a state to resume from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._beside.add(name)
        write_text(self.folder / name, text)

    def end(self, *, stopped: bool) -> None:
        """Save what a process that is stopped has learned, say how to go on, and leave nothing that helps nobody.

        Args:
            stopped: Whether the process ends by Ctrl-C or SIGTERM.
        """
        if stopped and self._outcome is not None:
            try:
                self._outcome()
                say("stopped after the training, whose model is saved: the same command with --resume goes on from it")
            except Exception as error:
                if not out_of_room(error):
                    raise
                say(f"note: what was trained is not saved: {fault_of(error)}")
        if any(self.folder.glob("step-*")):
            return
        if stopped:
            say("stopped before there was a training to save: the same command begins anew")
        for name in self._beside:
            (self.folder / name).unlink(missing_ok=True)
        if self._beside:
            # A folder that holds anything else stays.
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                self.folder.parent.rmdir()

    def _save(self, step: int, fingerprint: dict[str, Any], state: Checkpoint) -> None:
        from safetensors.torch import save_file

        target = self.folder / f"step-{step}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with replaced_folder(target) as aside:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}, aside / _TENSORS
            )
            facts = {**state.facts, "fingerprint": {"asked": self.asked, **fingerprint}}
            (aside / _FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
            (aside / _HASHES).write_text(json.dumps(_hashes(aside)) + "\n", encoding="utf-8")
            sync_folder(aside)
        sync(self.folder)
        for older in (*self.folder.glob("step-*"), *self.folder.glob(".step-*")):
            if older != target:
                remove(older)


def current_checkpointer() -> Checkpointer | None:
    """The checkpointer of this training, if its state is kept."""
    return _KEEPER.get()


@contextlib.contextmanager
def checkpointing(
    folder: Path, save_steps: int | None, save_minutes: float, asked: Mapping[str, Any] | None = None
) -> Iterator[Checkpointer]:
    """Inside, the state of a training is kept in `folder`, and SIGTERM and Ctrl-C save it before the process ends.

    Raises:
        TrainingError: If the folder holds a state of another training than is asked for.
    """
    checkpointer = Checkpointer(folder, save_steps, save_minutes, asked or {})
    checkpointer.require_same()
    token, stopped = _KEEPER.set(checkpointer), False
    try:
        yield checkpointer
    except (KeyboardInterrupt, SystemExit):
        stopped = True
        raise
    finally:
        _KEEPER.reset(token)
        checkpointer.end(stopped=stopped)


@contextlib.contextmanager
def saving_on_signal(checkpointer: Checkpointer | None) -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C let the current step finish and save the state; the same once more ends at once.

    Ctrl-C reaches every process of a terminal, so a comparison's child gets it, and then SIGTERM from its parent.
    """
    if checkpointer is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    seen: set[int] = set()

    def note(number: int, frame: Any) -> None:
        handler = before[signal.Signals(number)]
        if number in seen and callable(handler):
            handler(number, frame)
        if not checkpointer.stopping:
            say("stopping after this step; its state is saved")
            checkpointer.exit_code = 128 + number
        seen.add(number)
        checkpointer.stopping = True

    with handled(before, note):
        yield


def _require_same(saved: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    differs = what_differs(saved.get("asked", {}), now["asked"]) or what_differs(
        saved, {name: value for name, value in now.items() if name != "asked"}
    )
    if differs:
        raise TrainingError(
            f"the state in {folder} is of another training ({differs}): give the settings and data of then, "
            "or remove it to start afresh"
        )


def what_differs(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing of what is asked for now that was another one then, in words; nothing where all is the same."""
    for name, value in now.items():
        if saved.get(name) == value:
            continue
        if name.endswith("_sha256"):
            what = name.removesuffix("_sha256").replace("_", " ")
            return f"the {what} is not the same: its files were changed, or are other ones"
        return f"{name} was {saved.get(name)!s:.60} and is {value!s:.60}"
    return ""


def _hashes(folder: Path) -> dict[str, str]:
    """File to SHA-256, of all that a state consists of."""
    return {name: file_sha256(folder / name) for name in (_TENSORS, _FACTS)}
