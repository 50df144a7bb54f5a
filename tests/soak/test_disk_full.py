"""A disk that fills up anywhere in any command: one sentence, and what was there before is whole."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from scripted_server import Reply, scripted
from trifold.artifact.manifest import MANIFEST
from trifold.hashing import file_sha256
from trifold.runtime import hardware
from warm_commands import WarmCommands

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
TRIALS = int(os.environ.get("TRIFOLD_SOAK_TRIALS", "20"))
DISK_BYTES = 48 << 20
OLD = "an older result\n"
WRITING = (
    "finetune tfidf", "finetune features", "finetune full", "compare", "predict", "embed", "export", "pretrain", "label",
)  # fmt: skip
PROMPT = """
role = "You label texts."
task = "Text: {text}"
[output]
labels = ["bad", "good"]
[variables]
text = "The text."
"""


@dataclass(frozen=True)
class Case:
    """A command that writes to `{target}`.

    Attributes:
        name: For the record.
        arguments: Of the command line; `{target}` stands for where it writes, `{log}` for a log beside it.
        file: Whether it writes a file, which is there before.
        resumes: Whether it goes on with `--resume`.
    """

    name: str
    arguments: tuple[str, ...]
    file: bool = False
    resumes: bool = False

    def at(self, disk: Path) -> list[str]:
        return [one.format(target=disk / self.target, log=disk / "log") for one in self.arguments]

    @property
    def target(self) -> str:
        return "out.npy" if "embed" in self.arguments else "out.csv" if self.file else "run"


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A small file system of its own."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmCommands]:
    commands = WarmCommands()
    yield commands
    commands.close()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, warm: WarmCommands) -> Iterator[dict[str, Case]]:
    folder = tmp_path_factory.mktemp("given")
    reviews = str(write_reviews(folder / "reviews.csv"))
    prompt, text, run = folder / "prompt.toml", folder / "text.txt", str(folder / "trained")
    prompt.write_text(PROMPT)
    text.write_text("".join(f"On day {number} the film was wonderful, the plot dull.\n" for number in range(300)))
    tiny = ("--model", str(tiny_model))
    full = ("--method", "full", *tiny, "--lr", "3e-3", "--epochs", "3", "--save-steps", "4")
    made = warm.run(["finetune", reviews, *full, "--output-dir", run])
    assert made.returncode == 0, made.stderr
    out, place = ("--output", "{target}"), ("--output-dir", "{target}")
    short = ("--block-size", "32", "--documents", "line", "--batch-size", "8", "--epochs", "2", "--save-steps", "4")
    with scripted(lambda _number, _body: Reply("good")) as server:
        llm = ("--llm", server.llm, "--prompt", str(prompt), "--log", "{log}")
        found = [
            Case("finetune tfidf", ("finetune", reviews, "--method", "tfidf", *place)),
            Case("finetune features", ("finetune", reviews, "--method", "features", *tiny, *place)),
            Case("finetune full", ("finetune", reviews, *full, *place), resumes=True),
            Case("compare", ("compare", reviews, "--methods", "tfidf,features", *tiny, *place), resumes=True),
            Case("predict", ("predict", run, reviews, *out), file=True),
            Case("embed", ("embed", str(tiny_model), reviews, *out), file=True),
            Case("export", ("export", run, *place)),
            Case("pretrain", ("pretrain", str(text), *tiny, *short, *place), resumes=True),
            Case("label", ("label", reviews, "--label-as", "said", *llm, *out), file=True),
        ]
        assert [case.name for case in found] == list(WRITING)
        yield {case.name: case for case in found}


@pytest.fixture(scope="module")
def record() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What happened, written down in the end."""
    found: dict[str, list[dict[str, Any]]] = {"disk full": [], "standard output": []}
    yield found
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {**found, "hardware": hardware()}
    (RESULTS / "disk-full.json").write_text(json.dumps(kept, separators=(",", ":")).replace("},{", "},\n{") + "\n")


@pytest.mark.soak
@pytest.mark.parametrize("name", WRITING)
def test_a_disk_that_fills_up(
    name: str, disk: Path, cases: dict[str, Case], warm: WarmCommands, record: dict[str, list[dict[str, Any]]]
) -> None:
    rng, case, wrong = random.Random(name), cases[name], []
    needed, whole = _measured(case, disk, warm)
    for trial in range(TRIALS):
        # Often a few bytes short of nothing, or of everything.
        room = round(needed * rng.choice((rng.random(), rng.random() ** 4, 1 - rng.random() ** 4)))
        temporary = {"TMPDIR": str(disk / "tmp")} if rng.random() < 0.5 else {}
        _empty(disk, case)
        _fill(disk, room)
        done = warm.run(case.at(disk), timeout=300, env={**_caches(disk), **temporary})
        faults = _faults(case, done, disk, whole)
        if done.returncode and not faults and case.resumes:
            (disk / "filler").unlink()
            again = warm.run([*case.at(disk), "--resume"], timeout=300, env=_caches(disk))
            faults = _faults(case, again, disk, whole) + [f"resumed: {again.stderr}"] * (again.returncode != 0)
        said = [line for line in done.stderr.splitlines() if line.startswith("trifold: ")]
        told = {"command": name, "room": room, "code": done.returncode, "said": "; ".join(said), "faults": len(faults)}
        record["disk full"].append(told)
        wrong += [f"{room:,} bytes (trial {trial}): {fault}" for fault in faults]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.soak
@pytest.mark.parametrize("how", ["full", "closed", "not read"])
@pytest.mark.parametrize("name", [*WRITING, "check", "help", "cache", "vector"])
def test_standard_output_that_takes_nothing(
    name: str,
    how: str,
    cases: dict[str, Case],
    warm: WarmCommands,
    record: dict[str, list[dict[str, Any]]],
    tmp_path: Path,
    tiny_model: Path,
    reviews: Path,
) -> None:
    printing = {
        "check": ("check", str(reviews)),
        "help": ("--help",),
        "cache": ("cache",),
        "vector": ("embed", str(tiny_model), "--text", "a film"),
    }
    case = cases.get(name) or Case(name, printing[name])
    done = _with_stdout(how, case.at(tmp_path), warm)
    told = {"command": name, "stdout": how, "code": done.returncode, "said": done.stderr.splitlines()[-1:]}
    record["standard output"].append(told)
    assert "Traceback" not in done.stderr
    # What writes nothing to standard output, `predict --output` say, is not disturbed.
    silent = how == "not read" or name in ("predict", "embed")
    assert done.returncode == (0 if silent else 2), done.stderr
    assert silent or "trifold: what was printed could not be written" in done.stderr
    assert name in printing or (tmp_path / case.target).exists(), "what was finished is lost"


def _measured(case: Case, disk: Path, warm: WarmCommands) -> tuple[int, bytes]:
    """Bytes that a command writes in all, and what came out of it."""
    _empty(disk, case)
    before = _free(disk)
    done = warm.run(case.at(disk), env=_caches(disk))
    assert done.returncode == 0, done.stderr
    # Some of it is written twice before the first copy goes.
    return round(1.2 * (before - _free(disk))), _content(case, disk)


def _content(case: Case, disk: Path) -> bytes:
    """What two results of one command have in common: the file, or the weights."""
    if case.file:
        return (disk / case.target).read_bytes()
    files = [path for ending in ("safetensors", "onnx") for path in (disk / case.target).rglob(f"*.{ending}")]
    return b"".join(path.read_bytes() for path in sorted(files))


def _faults(case: Case, done: "subprocess.CompletedProcess[str]", disk: Path, whole: bytes) -> list[str]:
    """What a command did that it must not."""
    target, found = disk / case.target, []
    if "Traceback" in done.stderr:
        found.append(done.stderr)
    if done.returncode not in (0, 2):
        found.append(f"exit code {done.returncode}: {done.stderr}")
    said = [line for line in done.stderr.splitlines() if line.startswith("trifold: ")]
    if done.returncode == 2 and (len(said) != 1 if case.name != "compare" else not said):
        found.append(f"not one sentence: {done.stderr}")
    left = [path.name for path in disk.rglob(".*") if path.suffix in (".partial", ".lock")]
    if left:
        found.append(f"left behind: {left}")
    if case.file:
        content = target.read_bytes()
        if content != (whole if done.returncode == 0 else OLD.encode()):
            found.append(f"neither the old nor the new file: {len(content)} bytes, exit code {done.returncode}")
    elif done.returncode == 0:
        found += [f"damaged: {name}" for name in damaged(target)]
        if case.name != "compare" and _content(case, disk) != whole:
            found.append("other weights")
    elif target.exists():
        found += _half_written(target)
    return found


def _half_written(target: Path) -> list[str]:
    """A failed command may leave states and whole runs."""
    found = []
    for path in target.iterdir():
        if path.name in ("state", "report.html", "leaderboard.csv", "held-out.jsonl"):
            continue
        if path.is_dir() and (path / "run.json").exists():
            found += [f"damaged: {name}" for name in damaged(path)]
        elif not (path.is_dir() and [one.name for one in path.iterdir()] == ["state"]):
            found.append(f"left in the target: {path.name}")
    return found


def damaged(run: Path) -> list[str]:
    """Files of a run, or of the runs in it, that are not as its manifest says."""
    found = []
    for manifest in (run / MANIFEST, *run.glob(f"*/{MANIFEST}")):
        if not manifest.is_file():
            found.append(str(manifest))
            continue
        hashes = json.loads(manifest.read_text())
        for name, expected in hashes.items():
            path = manifest.parent / name
            if not path.is_file() or file_sha256(path) != expected:
                found.append(str(path))
    return found


def _caches(disk: Path) -> dict[str, str]:
    return {"TRIFOLD_CACHE": str(disk / "cache")}


def _empty(disk: Path, case: Case) -> None:
    for path in disk.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (disk / "tmp").mkdir()
    if case.file:
        (disk / case.target).write_text(OLD)


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def _fill(disk: Path, room: int) -> None:
    with (disk / "filler").open("wb") as file:
        file.write(bytes(max(0, _free(disk) - room)))


def _with_stdout(how: str, arguments: list[str], warm: WarmCommands) -> "subprocess.CompletedProcess[str]":
    if how == "full":
        return warm.run(arguments, stdout=Path("/dev/full"))
    command = [sys.executable, "-m", "trifold", *arguments]
    redirected = ">&-" if how == "closed" else "| true"
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {redirected}', "bash", *command],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
