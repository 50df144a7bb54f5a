"""What must never happen, whatever a command is given: each check names what it found."""

import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from soak.folders import MARKER
from soak.trials import Trial
from soak.watch import Seen

# So much of a secret, next to each other, is as good as the secret.
_TELLTALE = 8
_NOISE = re.compile(
    r"Traceback \(most recent call|Exception ignored|\b\w*Warning: |Fatal Python error|^\[W\d|terminate called", re.M
)
# What a terminal obeys: all control characters but line breaks and tabs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SENTENCE = "trifold: "
_HUB = "huggingface.co"
_FRAME = re.compile(r'File "[^"]*/src/(trifold/[^"]+)", line (\d+), in (\S+)')


def judge(trial: Trial, seen: Seen, folder: Path) -> list[str]:
    """Everything that is wrong about what a command did in the folder of its trial."""
    found = [*_ending(seen), *_words(trial, seen), *_reaching(trial, seen)]
    found += [f"{name} is in {where}" for where, name in _leaks(trial, seen, folder)]
    if (folder / MARKER).exists():
        found.append("code of the input was run")
    if seen.code is not None:
        found += [f"{path.name} is left behind" for path in folder.rglob("*.partial")]
    if seen.code == 0:
        found += _results(trial, seen)
    elif seen.code == 2 and trial.command.output and trial.command.output.exists() and not trial.command.keeps:
        found.append(f"refused, and yet there is {trial.command.output.name}")
    return found


def outcome(seen: Seen) -> str:
    """How it ended, in a word."""
    return {0: "done", 2: "refused", None: "hang"}.get(seen.code, f"exit {seen.code}")


def innermost(stderr: str) -> str | None:
    """The last place in Trifold that a traceback passes, with the error's last line; `None` where there is none."""
    if not (frames := _FRAME.findall(stderr)):
        return None
    lines = [line for line in stderr.splitlines() if re.match(r"[\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
    path, line, function = frames[-1]
    return f"{path}:{line} {function}: {lines[-1][:160] if lines else ''}"


def holds(secret: str, text: bytes) -> bool:
    """Whether a text holds a secret, or a telling part of it."""
    known = secret.strip().encode()
    if len(known) <= _TELLTALE:
        return known in text
    return any(known[start : start + _TELLTALE] in text for start in range(3, len(known) - _TELLTALE + 1))


def _ending(seen: Seen) -> Iterator[str]:
    if seen.code is None:
        yield f"a hang: killed after {seen.seconds:.0f} s"
    elif seen.code not in (0, 2):
        yield f"exit code {seen.code}"


def _words(trial: Trial, seen: Seen) -> Iterator[str]:
    """What is printed is made for people, or JSON for machines."""
    json_wanted = "--json" in trial.command.words
    for name, text in (("stdout", seen.stdout), ("stderr", seen.stderr)):
        if noise := _NOISE.search(text):
            yield f"{name} says {noise.group().strip()!r}"
        if control := _CONTROL.search(text):
            yield f"{name} holds the control character {control.group()!r}"
    if seen.code == 2 and not (trial.command.usage and "╭─ Error" in seen.stderr):
        lines = seen.stderr.rstrip("\n").split("\n")
        sentences = [line for line in lines if line.startswith(_SENTENCE)]
        if len(sentences) != 1 or lines[-1:] != sentences:
            yield f"{len(sentences)} lines begin with {_SENTENCE!r}, the last line is {lines[-1][:80]!r}"
    if json_wanted and seen.code in (0, 2) and not trial.command.usage:
        try:
            json.loads(seen.stdout, parse_constant=_no_constant)
        except ValueError as error:
            yield f"stdout is no JSON ({error})"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _reaching(trial: Trial, seen: Seen) -> Iterator[str]:
    """Nobody is asked but whom the user named, and the hub, unless that is forbidden."""
    offline = "--offline" in trial.command.words
    for line in seen.reached:
        if offline or _HUB not in line:
            yield f"it reached out: {line}"
    if seen.asked_other:
        yield f"it asked a server that nobody named: {seen.asked_other[0][:80]!r}"
    if seen.asked and trial.reply is None:
        yield "it asked a server that the arguments do not name"


def _leaks(trial: Trial, seen: Seen, folder: Path) -> Iterator[tuple[str, str]]:
    """Where a secret can be read that may not be read there: place and name."""
    places: dict[str, bytes] = {"stdout": seen.stdout.encode(), "stderr": seen.stderr.encode()}
    places |= {"a request to the other server": b"".join(seen.asked_other), "a request": b"".join(seen.asked)}
    places |= {
        f"the file {path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    for place, text in places.items():
        for name, secret in trial.secrets.items():
            if holds(secret, text) and not (place == "a request" and name == trial.key_variable):
                yield place, name


def _results(trial: Trial, seen: Seen) -> Iterator[str]:
    """What a command says it has written can be read, and is all there."""
    output = trial.command.output
    if output is None:
        return
    if not output.exists():
        yield f"done, and there is no {output.name}"
        return
    try:
        rows = _count(output)
    except (ValueError, OSError, KeyError, csv.Error) as error:
        yield f"{output.name} cannot be read back ({type(error).__name__}: {str(error)[:80]})"
        return
    if trial.rows is not None and rows != trial.rows:
        yield f"{output.name} has {rows} rows of {trial.rows}"


def _count(output: Path) -> int | None:
    """Rows of what was written; `None` for what has none.

    Raises:
        ValueError: If it is damaged.
    """
    if output.is_dir():
        _require_manifest(output)
    elif output.suffix == ".csv":
        csv.field_size_limit(sys.maxsize)
        with output.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, strict=True))
        if {len(row) for row in rows} != {len(rows[0])}:
            raise ValueError("rows of several lengths")
        return len(rows) - 1
    elif output.suffix == ".npy":
        return len(np.load(output, allow_pickle=False))
    elif output.suffix == ".parquet":
        return int(pq.read_table(output).num_rows)
    return None


def _require_manifest(folder: Path) -> None:
    """A run folder is what its manifest says."""
    hashes = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    json.loads((folder / "run.json").read_text(encoding="utf-8"), parse_constant=_no_constant)
    for name, expected in hashes.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise ValueError(f"{name} is not what the manifest says")
