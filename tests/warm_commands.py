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
from contextlib import suppress
from pathlib import Path

# What the fixture `trifold_command` is.
Command = Callable[..., subprocess.CompletedProcess[str]]

# What the verbs import when they run.
IMPORTED = (
    "matplotlib.pyplot",
    "peft",
    "pyarrow.parquet",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "tokenizers",
    "torch",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "trifold.__main__",
    "trifold.cli.check",
    "trifold.cli.evaluate",
    "trifold.cli.export",
    "trifold.cli.label",
    "trifold.cli.train",
    "trifold.cli.prompt_files",
    "trifold.cli.predict",
    "trifold.cli.embed",
    "trifold.cli.language_model",
    "trifold.methods.catalogue",
)
_IMPORT_SECONDS = 600


class WarmCommands:
    """Starts commands, one at a time.

    Args:
        imported: Modules that every command finds imported.
        environment: Of the process that imports them and of the commands; this process's, as it is then, where `None`.
    """

    def __init__(self, imported: Sequence[str] = IMPORTED, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        # Unbuffered: an answer that was read ahead would be one that `select` waits for in vain.
        self._server = subprocess.Popen(
            [sys.executable, __file__, *imported],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment,
        )  # fmt: skip

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None = None,
        timeout: float = 600,
        env: Mapping[str, str] | None = None,
        stdout: Path | None = None,
        program: str = "trifold.__main__",
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` with captured text.

        Args:
            arguments: Of the command.
            cwd: Where it runs; here where `None`.
            timeout: Seconds until it is killed, with the processes of its group where it leads one.
            env: Variables in addition.
            stdout: File for what it prints instead, `/dev/full` say.
            program: Module whose `main` is the command.
        """
        assert self._server.stdin is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            environment = {**(os.environ if self._environment is None else self._environment), **(env or {})}
            request = {
                "arguments": list(arguments), "cwd": str(cwd or Path.cwd()), "environment": environment,
                "out": str(stdout or out), "err": str(err), "program": program,
            }  # fmt: skip
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            # The first one waits for the imports.
            pid = self._answer(_IMPORT_SECONDS)
            try:
                code = self._answer(timeout)
            except TimeoutError:
                for kill in (os.killpg, os.kill):
                    with suppress(ProcessLookupError):
                        kill(pid, signal.SIGKILL)
                self._answer(60)
                raise subprocess.TimeoutExpired(list(arguments), timeout, *map(_text, (out, err))) from None
            return subprocess.CompletedProcess(list(arguments), code, *map(_text, (out, err)))

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


def _text(path: Path) -> str:
    """What was said; nothing where it went elsewhere."""
    return path.read_text(encoding="utf-8", errors="backslashreplace") if path.exists() else ""


def _serve() -> None:
    """Fork into every command that is asked for; say its process, then its exit code."""
    for name in sys.argv[1:]:
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


def _become(arguments: list[str], cwd: str, environment: Mapping[str, str], out: str, err: str, program: str) -> None:
    """Be the command, in the forked process."""
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
    module = importlib.import_module(program)
    sys.argv = [str(module.__file__), *arguments]
    module.main()


if __name__ == "__main__":
    _serve()
