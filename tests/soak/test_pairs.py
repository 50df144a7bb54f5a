"""Fifty pairs of commands started at the same moment on one target: a whole result or a clear sentence, no mixture."""

import json
import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_disk_full import PROMPT, damaged

from conftest import write_reviews
from scripted_server import Reply, scripted
from trifold.runtime import hardware
from warm_commands import WarmCommands

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
# Of each kind; comparisons start processes of their own and take longest.
PAIRS = {
    "finetune": 8, "finetune full": 6, "resume": 6, "compare": 4, "predict": 7, "embed": 5, "export": 4, "pretrain": 4,
    "label": 4, "clear beside finetune": 2,
}  # fmt: skip
SHARE = float(os.environ.get("TRIFOLD_SOAK_SHARE", "1"))
REFUSED = re.compile(
    r"trifold: .*(is being written by process \d+ on|exists and is not empty|holds the state of an unfinished training)"
)


@dataclass(frozen=True)
class Pair:
    """Two commands, each of which writes to `{target}`.

    Attributes:
        first: One.
        second: The other; its result differs.
        file: Name of the file that they write; a folder where there is none.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    file: str = ""


@pytest.fixture(scope="module")
def warm() -> Iterator[tuple[WarmCommands, WarmCommands]]:
    both = WarmCommands(), WarmCommands()
    yield both
    for commands in both:
        commands.close()


@pytest.fixture(scope="module")
def pairs(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, warm: tuple[WarmCommands, WarmCommands]
) -> Iterator[dict[str, Pair]]:
    folder = tmp_path_factory.mktemp("given")
    one, other = (str(write_reviews(folder / f"{n}.csv", rows=rows, seed=n)) for n, rows in ((1, 240), (2, 400)))
    prompt, text, run = folder / "prompt.toml", folder / "text.txt", str(folder / "trained")
    prompt.write_text(PROMPT)
    text.write_text("".join(f"On day {number} the film was wonderful, the plot dull.\n" for number in range(300)))
    tiny = ("--model", str(tiny_model))
    tfidf = ("finetune", one, "--method", "tfidf", "--output-dir", "{target}")
    full = (
        "finetune",
        one,
        "--method",
        "full",
        *tiny,
        "--epochs",
        "3",
        "--save-steps",
        "2",
        "--output-dir",
        "{target}",
    )
    compare = ("compare", one, "--methods", "tfidf,features", *tiny, "--output-dir", "{target}")
    short = ("--block-size", "32", "--documents", "line", "--batch-size", "8", "--epochs", "2")
    pretrain = ("pretrain", str(text), *tiny, *short, "--output-dir", "{target}")
    features = ("finetune", one, "--method", "features", *tiny, "--output-dir", "{target}")
    predict, embed = ("--output", "{target}"), ("embed", str(tiny_model))
    made = warm[0].run(["finetune", one, "--method", "full", *tiny, "--epochs", "3", "--output-dir", run])
    assert made.returncode == 0, made.stderr
    with scripted(lambda _number, _body: Reply("good", wait_seconds=0.005)) as server:
        label = (
            "--label-as",
            "said",
            "--llm",
            server.llm,
            "--prompt",
            str(prompt),
            "--log",
            str(folder / "log"),
            *predict,
        )
        seven = ("--seed", "7")
        yield {
            "finetune": Pair(tfidf, (*tfidf, *seven)),
            "finetune full": Pair(full, (*full, *seven)),
            "resume": Pair((*full, "--resume"), (*full, "--resume")),
            "compare": Pair(compare, (*compare, *seven)),
            "predict": Pair(("predict", run, one, *predict), ("predict", run, other, *predict), "out.csv"),
            "embed": Pair((*embed, one, *predict), (*embed, other, *predict), "out.npy"),
            "export": Pair(*[("export", run, "--output-dir", "{target}")] * 2),
            "pretrain": Pair(pretrain, (*pretrain, *seven)),
            "label": Pair(("label", one, *label), ("label", other, *label), "out.csv"),
            "clear beside finetune": Pair(features, ("cache", "--clear")),
        }


@pytest.fixture(scope="module")
def record() -> Iterator[list[dict[str, Any]]]:
    """What happened, written down in the end."""
    found: list[dict[str, Any]] = []
    yield found
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = json.dumps({"pairs": found, "hardware": hardware()}, separators=(",", ":"))
    (RESULTS / "pairs.json").write_text(kept.replace("},{", "},\n{") + "\n")


@pytest.mark.soak
@pytest.mark.parametrize("kind", PAIRS)
def test_two_commands_at_the_same_moment(
    kind: str,
    pairs: dict[str, Pair],
    warm: tuple[WarmCommands, WarmCommands],
    record: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    pair, rng, wrong = pairs[kind], random.Random(kind), []
    wholes = [_alone(command, tmp_path / str(n), pair, warm[0]) for n, command in enumerate((pair.first, pair.second))]
    for number in range(max(1, round(SHARE * PAIRS[kind]))):
        target = tmp_path / f"pair-{number}" / (pair.file or "run")
        target.parent.mkdir()
        # Half of them at once, the others while one is at work.
        delay = rng.choice((0.0, rng.uniform(0, 2)))
        done = _together((pair.first, pair.second), target, delay, warm)
        faults = [fault for one in done for fault in _faults(one)]
        codes = [one.returncode for one in done]
        if 0 not in codes:
            faults.append("neither came to an end")
        faults += _mixed(target, wholes)
        told = {"kind": kind, "delay": round(delay, 2), "codes": codes, "faults": len(faults)}
        record.append({**told, "said": [one.stderr.splitlines()[-1:] for one in done if one.returncode]})
        wrong += [f"pair {number}, {delay:.2f} s between: {fault}" for fault in faults]
    assert not wrong, "\n\n".join(wrong)


def _alone(command: tuple[str, ...], folder: Path, pair: Pair, warm: WarmCommands) -> bytes:
    """What comes of a command that nobody disturbs."""
    folder.mkdir()
    target = folder / (pair.file or "run")
    done = warm.run(_at(command, target))
    assert done.returncode == 0, done.stderr
    return _content(target)


def _together(
    commands: tuple[tuple[str, ...], tuple[str, ...]],
    target: Path,
    delay: float,
    warm: tuple[WarmCommands, WarmCommands],
) -> list["subprocess.CompletedProcess[str]"]:
    barrier = threading.Barrier(2)

    def start(number: int) -> "subprocess.CompletedProcess[str]":
        barrier.wait()
        time.sleep(number * delay)
        return warm[number].run(_at(commands[number], target), timeout=300)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(start, range(2)))


def _at(command: tuple[str, ...], target: Path) -> list[str]:
    return [word.format(target=target) for word in command]


def _content(target: Path) -> bytes:
    """What is the same in two results of one command: the file, or weights and predictions."""
    if target.is_file():
        return target.read_bytes()
    files = [path for name in ("*.safetensors", "*.onnx", "predictions.csv") for path in target.rglob(name)]
    return b"".join(path.read_bytes() for path in sorted(files))


def _faults(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What a command did that it must not."""
    if "Traceback" in done.stderr or done.returncode not in (0, 2):
        return [f"exit code {done.returncode}: {done.stderr}"]
    said = [line for line in done.stderr.splitlines() if line.startswith("trifold: ")]
    if done.returncode == 2 and not (len(said) == 1 and REFUSED.match(said[0])):
        return [f"not one clear sentence: {done.stderr}"]
    return []


def _mixed(target: Path, wholes: list[bytes]) -> list[str]:
    """What is wrong with what lies there."""
    found = [f"left behind: {path.name}" for path in target.parent.rglob(".*")]
    if not target.exists():
        return [*found, "there is no result"]
    if _content(target) not in wholes:
        found.append("the result is that of neither")
    if target.is_dir():
        found += [f"damaged: {name}" for name in damaged(target)]
    teacher = target.with_name(f"{target.name}.teacher.json")
    if teacher.exists():
        from trifold.hashing import file_sha256

        if json.loads(teacher.read_text())["data_sha256"] != file_sha256(target):
            found.append("the teacher described is another's")
    return found
