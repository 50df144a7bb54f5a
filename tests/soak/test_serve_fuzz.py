"""Malformed requests to a real server, ten thousand of them: no fault, no hang, and a good request is answered after."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import served_runs
from soak.broken_requests import GOOD_REQUEST, broken_request
from trifold.runtime import hardware

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak"
REQUESTS, LIMIT_SECONDS = 10_000, 10.0
_GOOD_EVERY = 250


@dataclass
class Server:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    def ask(self, sent: bytes) -> bytes:
        """What comes back until the server closes, or nothing comes for the limit."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_SECONDS) as connection:
            found = b""
            try:
                connection.sendall(sent)
                while piece := connection.recv(65_536):
                    found += piece
            except (ConnectionResetError, BrokenPipeError):
                pass
            return found

    def memory_megabytes(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1_000 for line in lines if line.startswith("VmRSS"))


@dataclass
class Seen:
    """What came of all requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Server]:
    base = tmp_path_factory.getbasetemp()
    folders = [served_runs.films(base), served_runs.moods(base), served_runs.pairs(base)]
    log = tmp_path / "log"
    command = [sys.executable, "-m", "trifold", "serve", *map(str, folders), "--port", "0", "--device", "cpu"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--body-seconds", "0.3"], stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(os.environ)
        )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, log.read_text()
    yield Server(process, int(address.rpartition(":")[2]), log)
    process.kill()
    process.wait()
    process.stdout.close()


def status_of(found: bytes) -> str:
    """The status of the last response; of none, that the connection was closed."""
    lines = [line for line in found.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return lines[-1].split()[1].decode() if lines else "closed"


@pytest.mark.soak
def test_no_request_makes_the_server_fail_or_wait(server: Server) -> None:
    seen, rng, memory = Seen(), random.Random(0), []
    for number in range(REQUESTS):
        kind, sent = broken_request(rng)
        begun = time.monotonic()
        try:
            found = server.ask(sent)
        except TimeoutError:
            seen.faults.append(f"{number}: no answer within {LIMIT_SECONDS:g} seconds to {kind}: {sent[:500]!r}")
            continue
        seen.slowest_seconds = max(seen.slowest_seconds, time.monotonic() - begun)
        status = status_of(found)
        seen.statuses[status] += 1
        seen.kinds[kind] += 1
        if status.startswith("5") and status != "504":
            seen.faults.append(f"{number}: {status} to {kind}: {sent[:500]!r}: {found[-300:]!r}")
        if not number % _GOOD_EVERY:
            memory.append(server.memory_megabytes())
            good = server.ask(GOOD_REQUEST)
            if status_of(good) != "200" or b'"label":"good"' not in good:
                seen.faults.append(f"{number}: a good request got {good[-300:]!r}")
    said = server.log.read_text(encoding="utf-8")
    logged = Counter(json.loads(line)["status"] for line in said.splitlines() if line.startswith("{"))
    kept = {
        "requests": REQUESTS,
        "kinds": dict(sorted(seen.kinds.items())),
        "statuses": dict(sorted(seen.statuses.items())),
        "status_500_in_the_log": logged[500],
        "faults": seen.faults[:20],
        "slowest_seconds": round(seen.slowest_seconds, 2),
        "memory_megabytes": {"after 250": memory[1], "at the end": memory[-1], "most": max(memory)},
        "hardware": hardware(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "serve-fuzz.json").write_text(json.dumps(kept, indent=1) + "\n")
    assert seen.faults == []
    assert "Traceback" not in said
    assert logged[500] == 0
    # Of the first requests some are as large as they may be, so all that is needed for one is there by then.
    assert memory[-1] <= 1.25 * max(memory[: len(memory) // 2])
