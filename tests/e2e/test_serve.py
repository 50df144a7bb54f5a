"""`trifold serve` as it is used: the real command, a real socket, signals, and clients that do not behave."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import served_runs
from conftest import write_reviews
from shown_commands import ROOT, commands
from trifold.cli.main import run as run_command
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import LabellingTask
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

KEY = "a-key-for-these-tests"
TEXTS = ["The film is superb", "a dull, tedious script", "moving, charming, wonderful"]


class Running:
    """A server that was started, and how it is asked."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, log: Path) -> None:
        self.process, self.address, self._log = process, address, log
        self.port = int(address.rpartition(":")[2])

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of an answer."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {"Content-Type": "application/json", **{name.replace("_", "-"): one for name, one in headers.items()}}
        request = urllib.request.Request(self.address + path, content, told)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read()), dict(response.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), dict(error.headers)

    def said(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text(encoding="utf-8")

    def talk(self, sent: bytes) -> bytes:
        """What comes back on a bare connection until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)
            found = b""
            while piece := connection.recv(65_536):
                found += piece
            return found


@contextmanager
def serving(folder: Path, *words: object, env: dict[str, str] | None = None) -> Iterator[Running]:
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "trifold", "serve", *map(str, words), "--port", "0", "--device", "cpu"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=file, text=True, env={**os.environ, **(env or {})}, cwd=folder
        )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()
        yield Running(process, address, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_runs.films(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    moods = served_runs.moods(tmp_path_factory.getbasetemp())
    folder = tmp_path_factory.mktemp("serving")
    with serving(folder, films, f"moods={moods}", env={"TRIFOLD_API_KEY": KEY}) as running:
        yield running


def test_it_answers_who_has_the_key(server: Running, films: Path) -> None:
    status, found, headers = server.ask("/predict", {"inputs": TEXTS}, Authorization=f"Bearer {KEY}")
    assert status == 200
    expected = [one.label for one in predict_texts(load_run(films).predictor, TEXTS)]
    assert [one[0]["label"] for one in found] == expected
    assert "server" not in {name.lower() for name in headers}
    status, found, headers = server.ask("/predict", {"inputs": TEXTS})
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert server.ask("/health")[0] == 200


def test_the_log_has_a_line_of_json_for_each_request_and_no_text(server: Running) -> None:
    server.ask("/predict", {"inputs": "a superb secret"}, Authorization=f"Bearer {KEY}")
    for _ in range(100):
        lines = [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]
        if any(line["endpoint"] == "/predict" and line["status"] == 200 for line in lines):
            break
        time.sleep(0.05)
    assert lines
    assert all({"event", "time", "method", "endpoint", "status", "milliseconds"} <= line.keys() for line in lines)
    assert "secret" not in server.said()
    assert KEY not in server.said()


@pytest.mark.parametrize("kind", ["systemone", "decisions"])
@pytest.mark.parametrize("name", ["films", "moods"])
def test_our_own_client_of_decision_servers_talks_to_it(
    kind: str, name: str, server: Running, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    run = load_run(films.parent / name)
    llm = LlmSettings(llm=f"{kind}:{server.address}/v1#{name}", log=tmp_path / "log", retries=0)
    prompt, words = word_labels(None, run.predictor.labels, {})
    task = LabellingTask(prompt, words, "{text} {mask}")
    labeller = labeller_of(open_llm(llm, ComputeSettings()), task, llm, PromptingSettings())
    found = labeller.judge(TEXTS)
    assert found.problems == {}
    labels = run.predictor.labels
    own = labels.probabilities(run.predictor.score(TEXTS).logits)
    np.testing.assert_allclose(labels.probabilities(found.logits), own, atol=0.01)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00 no http at all\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000,
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_an_answer_and_the_server_goes_on(sent: bytes, server: Running) -> None:
    found = server.talk(sent)
    assert found.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), found[:200]
    assert b'"error"' in found
    assert server.ask("/health")[0] == 200


def test_a_body_that_is_too_large_is_told_so(server: Running) -> None:
    status, told, _ = server.ask("/predict", {"inputs": "a" * 5_000_000}, Authorization=f"Bearer {KEY}")
    assert (status, told["error_type"]) == (413, "too_large")


def test_a_client_that_sends_slowly_holds_up_nobody(server: Running) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for connection in held:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: loc")
    begun = time.monotonic()
    assert server.ask("/health")[0] == 200
    assert server.ask("/predict", {"inputs": TEXTS}, Authorization=f"Bearer {KEY}")[0] == 200
    assert time.monotonic() - begun < 10
    for connection in held:
        connection.close()


def test_a_client_that_goes_away_leaves_no_fault(server: Running) -> None:
    body = json.dumps({"inputs": ["superb " * 200] * 500}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    for cut in (len(body), len(body) // 2):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:cut])
    assert server.ask("/health/ready")[0] == 200
    assert "Traceback" not in server.said()


def test_sigterm_ends_it_after_what_is_under_way(films: Path, tmp_path: Path) -> None:
    with serving(tmp_path, films) as running:
        body, answers, refused = {"inputs": TEXTS * 200}, [], []

        def ask() -> None:
            while not refused:
                try:
                    answers.append(running.ask("/predict", body))
                except OSError:
                    refused.append(True)

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            while len(answers) < 8:
                time.sleep(0.01)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(timeout=30) == 0
            for one in asking:
                one.result(timeout=30)
        assert {status for status, _, _ in answers} <= {200, 503}
        assert all(len(found) == 600 for status, found, _ in answers if status == 200)
        assert "Traceback" not in running.said()


def test_more_than_it_can_take_is_told_to_come_back(films: Path, tmp_path: Path) -> None:
    with serving(tmp_path, films, "--queue-requests", 1) as running:
        body = {"inputs": ["superb film " * 100] * 500}
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: running.ask("/predict", body), range(24)))
        assert {status for status, _, _ in found} == {200, 429}
        for status, told, headers in found:
            if status == 429:
                assert int(headers["retry-after"]) >= 1
                assert told["error_type"] == "overloaded"
        assert running.ask("/predict", {"inputs": "superb"})[0] == 200


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")
def test_sighup_brings_in_what_was_trained_since(tmp_path: Path) -> None:
    request = Request(write_reviews(tmp_path / "reviews.csv"))
    folder = finetune(request, "tfidf", tmp_path / "run", announce=False).folder
    with serving(tmp_path, folder) as running:
        before = running.ask("/info")[1]["runs"][0]["version"]
        newer = finetune(Request(write_reviews(tmp_path / "more.csv", seed=7)), "tfidf", tmp_path / "newer").folder
        folder.rename(tmp_path / "former")
        newer.rename(folder)
        running.process.send_signal(signal.SIGHUP)
        for _ in range(200):
            if running.ask("/info")[1]["runs"][0]["version"] != before:
                break
            assert running.ask("/predict", {"inputs": "superb"})[0] == 200
            time.sleep(0.05)
        assert running.ask("/info")[1]["runs"][0]["version"] != before
        # One that cannot be opened leaves the former version in use.
        (folder / "run.json").write_text("{")
        status, told, _ = running.ask("/reload", {})
        assert status == 422
        assert "the former version goes on answering" in told["error"]
        assert running.ask("/predict", {"inputs": "superb"})[0] == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("NONE",), "there is no run folder"),
        (("RUN", "RUN"), "two runs are called 'films': name one of them otherwise, as in films-2="),
        (("a/b=RUN",), "give a folder, or NAME=FOLDER"),
        (("RUN", "--port", "70000"), "--port 70000 is not allowed"),
        (("RUN", "--host", "no.such.host.invalid"), "is no address of this machine"),
        (("RUN", "--index", "NONE"), "NONE"),
        (("RUN", "--prot", "1"), "--port"),
    ],
)
def test_mistakes_end_in_a_sentence(
    words: tuple[str, ...], said: str, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.replace("RUN", str(films)).replace("NONE", str(tmp_path / "NONE")) for word in words]
    assert run_command(["serve", *given]) == 2
    assert said in capsys.readouterr().err


def test_an_address_in_use_and_a_missing_package(
    films: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run_command(["serve", str(films), "--port", str(taken.getsockname()[1])]) == 2
    assert "name another with --port, or 0 for a free one" in capsys.readouterr().err
    monkeypatch.setattr("trifold.cli.inputs.find_spec", lambda name: None if name == "uvicorn" else object())
    assert run_command(["serve", str(films)]) == 2
    assert "serve needs uvicorn: pip install 'trifold[serve]'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_what_the_page_on_serving_shows_works(films: Path, tmp_path: Path, tmp_path_factory: Any) -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    shutil.copytree(films, tmp_path / "films")
    shutil.copytree(served_runs.moods(tmp_path_factory.getbasetemp()), tmp_path / "moods")
    (tmp_path / "reviews.csv").write_text("text\na superb film\n")
    start, *asked = commands(page)
    assert start.startswith("trifold serve ")
    assert len(asked) >= 8
    with serving(tmp_path, *shlex.split(start)[2:]) as running:
        for command in asked:
            line = command.replace("localhost:8000", f"127.0.0.1:{running.port}")
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=True)
            assert '"error"' not in done.stdout, (command, done.stdout)
            assert done.stdout
