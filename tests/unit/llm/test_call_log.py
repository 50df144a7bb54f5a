"""The log's own faults: a full disk, a lock, a file that is something else."""

import os
import resource
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from scripted_server import Reply, scripted
from trifold.errors import LlmError, SettingsError
from trifold.llm.call_log import Call, CallLog, read_log
from trifold.llm.client import Client
from trifold.llm.contract import FatalLlmError, Gap, Sampling, Scorer
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_template import Message, conversation_from_json
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit

CALL = Call.to_make("a model", '[{"role": "user", "content": "hello"}]', "{}")
FAULT = "cannot be used .*: is the disk full, or the file damaged or locked by another program"


class ScoresAlike(Scorer):
    """Gives the first word -1.5 and the second -0.5 in every gap, and counts the gaps."""

    name = identity = "a scorer"
    scored = 0

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        self.scored += len(gaps)
        return np.tile([-1.5, -0.5], (len(gaps), 1))

    def count(self, gap: Gap) -> int:
        return len(gap.around)

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:  # noqa: ARG002 - the contract's
        return text, False


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """Inside, the system refuses to write files beyond a size, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_the_asking_and_keeps_what_was_answered(tmp_path: Path) -> None:
    conversations = [(Message("user", f"{number} {'long ' * 2_000}"),) for number in range(60)]
    with scripted(lambda *_: Reply("good")) as server:
        log = CallLog(tmp_path / "log")
        model = OpenAIServer(server.llm.removeprefix("openai:"), LlmSettings(llm=server.llm))
        asker = Client(model, log, SpendingLimit(), concurrency=2)
        with no_file_larger_than(200_000), pytest.raises(FatalLlmError, match=FAULT):
            list(asker.ask_all(conversations, [Sampling()] * 60))
        assert 1 <= len(server.requests) < 30
    log.close()
    kept = read_log(tmp_path / "log", 100)
    assert kept
    assert all(call.answer == "good" for call in kept)


def test_a_log_that_another_program_keeps_to_itself(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "log", wait_seconds=0.1)
    with sqlite3.connect(tmp_path / "log", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FatalLlmError, match=FAULT):
            log.add(CALL)
        other.execute("COMMIT")
    other.close()
    log.add(CALL)
    log.close()


@pytest.mark.parametrize("column", ["at", "model", "prompt", "answer", "seconds"])
def test_a_log_with_values_of_another_kind_is_said_to_be_damaged(column: str, tmp_path: Path) -> None:
    log = CallLog(tmp_path / "log")
    log.add(CALL)
    log.close()
    with closing(sqlite3.connect(tmp_path / "log", isolation_level=None)) as other:
        other.execute(f"UPDATE calls SET {column} = x'00ff'")
    with pytest.raises(SettingsError, match="is damaged at call 1: name another --log"):
        read_log(tmp_path / "log", 10)


def test_a_damaged_file(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "log")
    for number in range(200):
        log.add(Call.to_make("a model", f"{number} {'long ' * 500}", "{}"))
    log.close()
    content = bytearray((tmp_path / "log").read_bytes())
    content[4_096:] = b"\x5a" * (len(content) - 4_096)
    (tmp_path / "log").write_bytes(content)
    with pytest.raises((SettingsError, LlmError), match=r"cannot be (used|opened)"):
        read_log(tmp_path / "log", 10)


@pytest.mark.parametrize("kind", ["folder", "pipe", "text", "device", "a name that cannot be one"])
def test_what_is_no_log(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "text":
        path.write_text("this is no database, and long enough to be told from one " * 100)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path = tmp_path / "\0"
    with pytest.raises(SettingsError, match=r"cannot be opened \(.+\): name another --log"):
        CallLog(path)


@pytest.mark.parametrize("prompt", ["[" * 5_000, "3", '[{"role": "user"}]', '["text"]', '[{"a": 1, "b": 2}]'])
def test_a_logged_prompt_that_is_no_conversation(prompt: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        conversation_from_json(prompt)


@pytest.mark.parametrize(
    "answer", ["", "{", "[1.0]", '{"good": NaN, "bad": 0.5}', '{"good": "1", "bad": 0.5}', '{"bad": 0.5}']
)
def test_logged_figures_that_are_none_are_computed_again(answer: str, tmp_path: Path) -> None:
    words = ("good", "bad")
    model = ScoresAlike()
    task = LabellingTask(plain_prompt(words), words, "{text} {mask}")

    def judge() -> list[float]:
        with closing(CallLog(tmp_path / "log")) as log:
            return LikelihoodLabeller(model, task, log, SpendingLimit()).judge(["A film."]).logits[0].tolist()

    assert judge() == judge() == [-1.5, -0.5]
    assert model.scored == 1, "the second time they were in the log"
    with closing(sqlite3.connect(tmp_path / "log", isolation_level=None)) as other:
        other.execute("UPDATE calls SET answer = ?", (answer,))
    assert judge() == [-1.5, -0.5]
    assert model.scored == 2
