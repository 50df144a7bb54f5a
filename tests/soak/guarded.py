"""What stands around a command under test: no network beyond two local ports, limited memory, a stdin that says yes.

This runs in the command's own process; `sitecustomize` takes it into the processes that the command starts.
"""

import faulthandler
import json
import os
import resource
import runpy
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

MEMORY_BYTES = 8 * 2**30
FILE_BYTES = 4 * 2**30
# Environment variables by which a command learns how it is watched.
WITNESS, PORTS, TERMINAL, DUMP_AFTER = "SOAK_WITNESS", "SOAK_PORTS", "SOAK_TERMINAL", "SOAK_DUMP_AFTER"
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "", None)
_REACHING_OUT = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def main() -> NoReturn:
    """Be the program that the arguments name: `trifold`, or a Python script."""
    # A group of its own, so that what it started is killed with it.
    os.setsid()
    _be_watched()
    _say_yes_to_everything()
    if os.environ.get(TERMINAL):
        sys.stdout.isatty = lambda: True
    program, *arguments = sys.argv[1:]
    if program == "trifold":
        from trifold import __main__

        sys.argv = [str(__main__.__file__), *arguments]
        __main__.main()
    sys.argv = [program, *arguments]
    code: Any = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def watch() -> None:
    """Refuse and write down every connection and look-up of a name, but those to the two ports of this machine."""
    witness, ports = os.environ[WITNESS], {int(port) for port in os.environ[PORTS].split(",")}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _REACHING_OUT:
            return
        address = arguments[0] if event == "socket.gethostbyname" else arguments[:2]
        if event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            if isinstance(address, tuple) and address[0] in _LOOPBACK and address[1] in ports:
                return
        elif arguments[0] in _LOOPBACK:
            return
        with Path(witness).open("a", encoding="utf-8") as file:
            file.write(json.dumps([event, repr(address)]) + "\n")
        if event in ("socket.connect", "socket.sendto"):
            raise ConnectionRefusedError(111, "Connection refused")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    sys.addaudithook(hook)


def _be_watched() -> None:
    watch()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Where it hangs is written to stderr right before it is killed.
    faulthandler.dump_traceback_later(float(os.environ[DUMP_AFTER]))


def _say_yes_to_everything() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"y\n" * 8_192)
    os.close(writing)
    os.dup2(reading, 0)
