"""Bare connections to `trifold serve`: requests that are cut, slipped in behind others, or ask for another protocol."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_serve import Running, serving

import served_runs

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"inputs": "superb"}'
CHUNKED = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    films = served_runs.films(tmp_path_factory.getbasetemp())
    with serving(tmp_path_factory.mktemp("serving"), films) as running:
        yield running
        assert "Traceback" not in running.said()
        assert '"status": 500' not in running.said()


def statuses(found: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+) ", found)]


@pytest.mark.parametrize("sizes", [b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY), b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"\r\n"])  # fmt: skip
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
def test_a_client_that_would_rather_speak_another_protocol_is_answered_in_this_one(
    sizes: bytes, protocol: bytes, server: Running
) -> None:
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAMAAABk\r\n"
    found = server.talk((HEAD + asked + sizes) * 3 + LAST)
    assert statuses(found) == [200] * 4
    assert found.count(b'"label":"good"') == 3


def test_what_stands_behind_a_body_changes_nothing(server: Running) -> None:
    behind = b"Host: evil.example\r\nContent-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n\r\n"
    found = server.talk(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + behind + LAST)
    assert statuses(found) == [200, 200]


@pytest.mark.parametrize(
    "hosts", [(b"localhost", b"evil.example"), (b"evil.example", b"localhost"), (b"localhost",) * 2]
)
def test_two_hosts_are_refused(hosts: tuple[bytes, bytes], server: Running) -> None:
    named = b"".join(b"Host: " + host + b"\r\n" for host in hosts)
    assert statuses(server.talk(b"GET /health HTTP/1.1\r\n" + named + b"Connection: close\r\n\r\n")) == [421]


@pytest.mark.parametrize(
    "sizes",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        b"Content-Length: +5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5, 5\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_request_whose_end_is_in_doubt_is_refused_with_what_comes_behind_it(sizes: bytes, server: Running) -> None:
    assert statuses(server.talk(HEAD + sizes + LAST)) == [400]


def test_a_request_and_something_that_is_none(server: Running) -> None:
    whole = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    assert statuses(server.talk(whole + b"no request\r\n\r\n")) == [400]


@pytest.mark.parametrize("path", [b"/predict", b"/files?name=a.csv", b"/try"])
def test_a_client_that_goes_away_while_it_sends_is_no_fault_of_the_server(path: bytes, server: Running) -> None:
    kind = b"application/x-www-form-urlencoded" if path == b"/try" else b"application/json"
    head = (
        b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind + b"\r\nContent-Length: 900\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"text=" * 10)
    assert server.ask("/health")[0] == 200
    assert "Traceback" not in server.said()


def test_ctrl_c_twice_waits_for_nobody(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path, served_runs.films(tmp_path_factory.getbasetemp())) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as held:
            # Its body never comes, which is waited for otherwise.
            held.sendall(HEAD + b"Content-Length: 900\r\n\r\n{")
            assert running.ask("/health")[0] == 200
            running.process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(timeout=1)
            running.process.send_signal(signal.SIGINT)
            # Of the thirty seconds that it would have.
            assert running.process.wait(timeout=15) == 0
        assert "Traceback" not in running.said()


def test_more_connections_than_there_may_be_wait_without_filling_the_log(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("another process's limits cannot be set on this system")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    films = served_runs.films(tmp_path_factory.getbasetemp())
    with serving(tmp_path, films) as running:
        # It raised its own limit when it began.
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (128, limits[1]))
        held = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(200)]
        time.sleep(2)
        for connection in held:
            connection.close()
        assert running.ask("/predict", {"inputs": "superb"})[0] == 200
        assert running.said().count("too many connections are open") == 1
        assert "Traceback" not in running.said()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")
def test_sighup_before_it_answers_does_not_end_it(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    films = served_runs.films(tmp_path_factory.getbasetemp())
    command = [sys.executable, "-m", "trifold", "serve", str(films), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        status = Path(f"/proc/{process.pid}/status")
        if not status.is_file():
            process.kill()
            pytest.skip("no /proc on this system")
        hangup = 1 << (signal.SIGHUP - 1)
        while process.poll() is None and not hangup & caught_signals(status):
            time.sleep(0.005)
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def caught_signals(status: Path) -> int:
    return next(int(line.split()[1], 16) for line in status.read_text().splitlines() if line.startswith("SigCgt"))
