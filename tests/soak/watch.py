"""Run one command after the other, each watched: what it says, where it reaches, what it leaves behind."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak import guarded
from soak.answers import good_reply
from soak.listener import Listener, Reply
from warm_commands import IMPORTED, WarmCommands

LIMIT_SECONDS = 20.0
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Seen:
    """What a command did.

    Attributes:
        code: Its exit code; negative for a signal, `None` if it had to be killed at the limit.
        seconds: How long it took.
        stdout: As text; bytes that are no UTF-8 as escapes.
        stderr: Likewise.
        reached: Connections and look-ups of names that were refused.
        asked: What the server that the arguments may name was sent, request by request.
        asked_other: What the server that nobody may talk to was sent.
    """

    code: int | None
    seconds: float
    stdout: str
    stderr: str
    reached: tuple[str, ...] = ()
    asked: tuple[bytes, ...] = ()
    asked_other: tuple[bytes, ...] = ()


class Watch:
    """One command at a time, beside two servers.

    Args:
        imported: Modules that every command finds imported.
    """

    def __init__(self, imported: Sequence[str] = IMPORTED) -> None:
        self.server, self.other = Listener(), Listener()
        self._home = tempfile.mkdtemp(prefix="soak-home-")
        # Libraries read their settings where they are imported, which is before the commands.
        self._warm = WarmCommands(imported, self._environment())
        # The first command waits until everything is imported, which is not what is measured.
        self.run(("trifold", "--version"), Path(self._home), {})

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        secrets: Mapping[str, str],
        reply: Reply | None = None,
        cache: Path | None = None,
        *,
        terminal: bool = False,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> Seen:
        """Run a command and wait for it.

        Args:
            words: `trifold` or a Python script, and its arguments.
            folder: Where it runs, and finds its home, its cache and its temporary files.
            secrets: Environment variables on top.
            reply: What the server says; nothing where `None`.
            cache: Its cache folder.
            terminal: Whether standard output claims to be a terminal.
            limit_seconds: It is killed then.
        """
        witness = Path(self._home, "witness")
        witness.write_text("")
        environment = dict(secrets) | {"TRIFOLD_CACHE": str(cache or folder / "cache")}
        environment |= {
            "HOME": str(folder), "TMPDIR": str(folder),
            guarded.WITNESS: str(witness), guarded.PORTS: f"{self.server.port},{self.other.port}",
            guarded.DUMP_AFTER: str(limit_seconds - 0.5), **({guarded.TERMINAL: "1"} if terminal else {}),
        }  # fmt: skip
        self.server.begin(reply or good_reply("good"))
        self.other.begin(good_reply("good"))
        begun = time.monotonic()
        try:
            done = self._warm.run(words, folder, limit_seconds, environment, program="soak.guarded")
            code, stdout, stderr = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, stdout, stderr = None, str(late.stdout), str(late.stderr)
        seconds = time.monotonic() - begun
        reached = tuple(witness.read_text(encoding="utf-8").splitlines())
        return Seen(code, seconds, stdout, stderr, reached, self.server.end(), self.other.end())

    def close(self) -> None:
        """End what was started."""
        self._warm.close()
        self.server.close()
        self.other.close()
        shutil.rmtree(self._home)

    def _environment(self) -> dict[str, str]:
        """As little as a command needs, of this machine nothing."""
        path = [str(_TESTS / "soak" / "startup"), str(_TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        return {
            "PATH": os.environ["PATH"], "HF_HOME": str(Path(self._home, "hub")), "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
            "MPLCONFIGDIR": str(Path(self._home, "matplotlib")),
        }  # fmt: skip
