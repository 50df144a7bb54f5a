"""The log of all prompts and answers in one SQLite file, which is also the cache of answers.

An answer is found by a hash of everything that determines it: model, messages and sampling. Failed calls are logged as
well, without an answer.
"""

import hashlib
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trifold.cache_folder import cache_folder
from trifold.errors import SettingsError
from trifold.llm.contract import FatalLlmError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    at TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    sampling TEXT NOT NULL,
    answer TEXT,
    error TEXT,
    prompt_tokens INTEGER NOT NULL,
    answer_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
"""
# What is left of asking for many rows where that is stopped.
IN_LOG = "the answers so far are in the log, and the same command asks for the rest alone"
_WAIT_SECONDS = 15.0
_COLUMNS = "id, at, model, prompt, sampling, answer, error, prompt_tokens, answer_tokens, seconds"


@dataclass(frozen=True)
class Call:
    """One call of a language model.

    Attributes:
        id: Number in the log; 0 before it is logged.
        at: Time of the call, ISO 8601, UTC.
        model: The model's identity.
        prompt: The messages that were sent, as JSON.
        sampling: How the answer was to be written, as JSON.
        answer: The model's answer; `None` if the call failed.
        error: Why the call failed; `None` if it did not.
        prompt_tokens: Tokens of the prompt.
        answer_tokens: Tokens of the answer.
        seconds: Duration of the call.
    """

    id: int
    at: str
    model: str
    prompt: str
    sampling: str
    answer: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0

    @classmethod
    def to_make(cls, model: str, prompt: str, sampling: str) -> "Call":
        """A call that may be in the log already, to look for with `CallLog.find`."""
        return cls(0, "", model, prompt, sampling)

    @property
    def key(self) -> str:
        """The hash under which its answer is found."""
        return hashlib.sha256(json.dumps([self.model, self.prompt, self.sampling]).encode()).hexdigest()


def log_path(named: Path | None = None) -> Path:
    """The log file: the one named, or else prompts.sqlite in the cache folder."""
    return named or cache_folder() / "prompts.sqlite"


class CallLog:
    """The open log. Threads and processes may share it.

    Args:
        path: The file; created if it is missing, readable by its owner only.
        wait_seconds: How long to wait for another process that has locked the file.

    Raises:
        SettingsError: If it cannot be opened or is no log.
    """

    def __init__(self, path: Path, wait_seconds: float = _WAIT_SECONDS) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path)
            self._connection = sqlite3.connect(path, timeout=wait_seconds, check_same_thread=False)
            self._connection.isolation_level = None
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, ValueError, sqlite3.Error) as error:
            raise SettingsError(f"the log {path} cannot be opened ({error}): name another --log") from None

    def find(self, call: Call) -> Call | None:
        """The logged call with an answer that has the key of `call`; `None` if there is none."""
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM calls WHERE key = ? AND answer IS NOT NULL LIMIT 1",  # noqa: S608 - constant
            (call.key,),
        )
        return _call(rows[0], self.path) if rows else None

    def add(self, call: Call) -> None:
        """Log a call that was just made."""
        call = replace(call, at=datetime.now(UTC).isoformat(timespec="seconds"))
        values = (call.key, *(getattr(call, name) for name in _COLUMNS.split(", ")[1:]))
        self._ask(
            f"INSERT INTO calls (key, {_COLUMNS.removeprefix('id, ')}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608
            values,
        )

    def mean_call(self, model: str) -> tuple[float, float] | None:
        """Mean seconds and mean answer tokens of the calls that this model answered with text; `None` without any."""
        seconds, tokens = self._ask(
            "SELECT avg(seconds), avg(answer_tokens) FROM calls WHERE model = ? AND answer_tokens > 0", (model,)
        )[0]
        return (float(seconds), float(tokens)) if seconds is not None else None

    def latest(self, limit: int, model: str | None = None, number: int | None = None) -> list[Call]:
        """The latest calls, as `read_log`."""
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM calls WHERE (? IS NULL OR instr(model, ?) > 0) AND (? IS NULL OR id = ?) "  # noqa: S608
            "ORDER BY id DESC LIMIT ?",
            (model, model, number, number, limit),
        )
        return [_call(row, self.path) for row in rows]

    def count(self) -> int:
        """Number of logged calls."""
        return int(self._ask("SELECT count(*) FROM calls")[0][0])

    def _ask(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """Run an SQL statement and return its rows.

        Raises:
            FatalLlmError: If the file cannot be read or written any more. No further call is made then, since its
                answer, which may cost money, would be lost.
        """
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise FatalLlmError(
                f"the log {self.path} cannot be used ({error}): is the disk full, or the file damaged or locked by "
                "another program? Correct that, or name another --log; the answers so far are in it"
            ) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def read_log(path: Path, limit: int, model: str | None = None, number: int | None = None) -> Sequence[Call]:
    """The latest calls, the newest first.

    Args:
        path: The log file.
        limit: How many calls at most.
        model: Only calls of models whose name contains this.
        number: Only the call with this number.

    Raises:
        SettingsError: If the file is no log.
    """
    if not path.exists():
        return []
    with closing(CallLog(path)) as log:
        return log.latest(limit, model, number)


def count_calls(path: Path) -> int:
    """Number of calls in a log file; 0 if it is missing."""
    if not path.exists():
        return 0
    with closing(CallLog(path)) as log:
        return log.count()


def _create(path: Path) -> None:
    """Create an empty file for its owner only, unless the file exists.

    Raises:
        OSError: If it cannot be created, or is no regular file.
    """
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError("it is no regular file")
    finally:
        os.close(file)


def _call(row: tuple[Any, ...], path: Path) -> Call:
    """A call from a row of the table. Types are checked, since SQLite accepts any type in any column.

    Raises:
        SettingsError: If a value has a wrong type.
    """
    call = Call(*row)
    texts = (call.at, call.model, call.prompt, call.sampling, call.answer or "", call.error or "")
    numbers = (call.id, call.prompt_tokens, call.answer_tokens, call.seconds)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, int | float) for one in numbers):
        raise SettingsError(
            f"the log {path} is damaged at call {call.id!s:.20}: name another --log, or remove the file"
        )
    return call
