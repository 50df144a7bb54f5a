"""Commands without their seconds of imports: a process that has imported everything forks into each of them.

What runs is the command line itself, from its arguments to its exit code, in a process, folder and environment of its
own. Tests start some two hundred commands, each of which would spend four seconds on importing PyTorch and
transformers. What imports do is tested where they are: by commands that are started cold.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# What the fixture `trifold_command` is.
Command = Callable[..., subprocess.CompletedProcess[str]]

# What the verbs import when they run.
_IMPORTED = (
    "duckdb",
    "matplotlib.pyplot",
    "peft",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "tokenizers",
    "torch",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "trifold.__main__",
    "trifold.cli.data",
    "trifold.cli.deploy",
    "trifold.cli.label",
    "trifold.cli.learn",
    "trifold.cli.prompt",
    "trifold.cli.use",
    "trifold.cli.vectors",
    "trifold.cli.words",
    "trifold.methods.catalogue",
)


class WarmCommands:
    """Starts commands, one at a time."""

    def __init__(self) -> None:
        # Unbuffered: an answer that was read ahead would be one that `select` waits for in vain.
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None = None,
        timeout: float = 600,
        env: Mapping[str, str] | None = None,
        stdout: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` with captured text, in this process's environment.

        Variables in `env` come in addition; `stdout` goes to that file instead, `/dev/full` say.
        """
        assert self._server.stdin is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            request = {
                "arguments": list(arguments), "cwd": str(cwd or Path.cwd()), "environment": {**os.environ, **(env or {})},
                "out": str(stdout or out), "err": str(err),
            }  # fmt: skip
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            # The first one waits for the imports.
            pid = self._answer(timeout)
            try:
                code = self._answer(timeout)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._answer(60)
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            return subprocess.CompletedProcess(
                list(arguments),
                code,
                "" if stdout else out.read_text(encoding="utf-8"),
                err.read_text(encoding="utf-8"),
            )

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def _answer(self, seconds: float) -> int:
        assert self._server.stdout is not None
        if not select.select([self._server.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return int(self._server.stdout.readline())


def _serve() -> None:
    """Fork into every command that is asked for; say its process, then its exit code."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(**json.loads(line))
        _say(pid)
        _, status = os.waitpid(pid, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(arguments: list[str], cwd: str, environment: Mapping[str, str], out: str, err: str) -> None:
    """Be the command, in the forked process."""
    from trifold import __main__

    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT),
        (2, err, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags), number)
    # The old one has read ahead.
    sys.stdin = os.fdopen(0, encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [str(__main__.__file__), *arguments]
    __main__.main()


if __name__ == "__main__":
    _serve()
