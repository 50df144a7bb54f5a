"""Every prompt and every answer, in one SQLite file: to look things up, and so that nothing is asked twice.

An answer is addressed by all that has a say in it: the model, the messages, the way of sampling. Calls that failed are
kept as well, without an answer.
"""

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from trifold.backbone.cache import cache_folder
from trifold.errors import SettingsError

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
_COLUMNS = "id, at, model, prompt, sampling, answer, error, prompt_tokens, answer_tokens, seconds"


@dataclass(frozen=True)
class Call:
    """One call of a language model.

    Attributes:
        id: Its number in the log; 0 before it has one.
        at: When, ISO 8601, UTC.
        model: Whom.
        prompt: What was sent: messages as JSON.
        sampling: How the answer was to be written, as JSON.
        answer: What was said; `None` if the call failed.
        error: Why it failed; `None` if it did not.
        prompt_tokens: Tokens read.
        answer_tokens: Tokens written.
        seconds: How long it took.
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
        """A call that may have been made before: what `Log.find` looks for."""
        return cls(0, "", model, prompt, sampling)

    @property
    def key(self) -> str:
        """Where its answer is found again."""
        return hashlib.sha256(json.dumps([self.model, self.prompt, self.sampling]).encode()).hexdigest()


def log_path(named: Path | None = None) -> Path:
    """Where the log lies."""
    return named or cache_folder() / "prompts.sqlite"


class Log:
    """The log, open. Threads may share it, and so may processes.

    Args:
        path: Of the file, which is made where it is missing, for its owner's eyes alone.

    Raises:
        SettingsError: If it cannot be opened or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"the log {path} cannot be opened ({error}): name another --log") from None

    def find(self, call: Call) -> Call | None:
        """The same call with its answer, if it was ever answered."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM calls WHERE key = ? AND answer IS NOT NULL LIMIT 1",  # noqa: S608 - constant
                (call.key,),
            ).fetchone()
        return Call(*row) if row else None

    def add(self, call: Call) -> None:
        """Keep a call that was made just now."""
        call = replace(call, at=datetime.now(UTC).isoformat(timespec="seconds"))
        values = (call.key, *(getattr(call, name) for name in _COLUMNS.split(", ")[1:]))
        with self._lock:
            self._connection.execute(
                f"INSERT INTO calls (key, {_COLUMNS.removeprefix('id, ')}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608
                values,
            )

    def mean_call(self, model: str) -> tuple[float, float] | None:
        """Mean seconds and answer tokens of the calls that this model answered in words; `None` if none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT avg(seconds), avg(answer_tokens) FROM calls WHERE model = ? AND answer_tokens > 0", (model,)
            ).fetchone()
        return (float(row[0]), float(row[1])) if row and row[0] is not None else None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def read_log(path: Path, limit: int, model: str | None = None, number: int | None = None) -> Sequence[Call]:
    """The latest calls, the newest first.

    Args:
        path: Of the log.
        limit: How many.
        model: Only those of models whose name holds this.
        number: Only the call with this number.

    Raises:
        SettingsError: If the file is no log.
    """
    if not path.exists():
        return []
    return list(_rows(path, limit, model, number))


def _rows(path: Path, limit: int, model: str | None, number: int | None) -> Iterator[Call]:
    with closing(Log(path)) as log:
        rows = log._connection.execute(
            f"SELECT {_COLUMNS} FROM calls WHERE (? IS NULL OR instr(model, ?) > 0) AND (? IS NULL OR id = ?) "  # noqa: S608
            "ORDER BY id DESC LIMIT ?",
            (model, model, number, number, limit),
        ).fetchall()
    yield from (Call(*row) for row in rows)


def count_calls(path: Path) -> int:
    """Calls in the log."""
    if not path.exists():
        return 0
    with closing(Log(path)) as log:
        return int(log._connection.execute("SELECT count(*) FROM calls").fetchone()[0])
