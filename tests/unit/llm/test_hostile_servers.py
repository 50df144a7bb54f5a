"""What a server may do: never longer than allowed, never more, never with our key, never elsewhere."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from scripted_server import Reply, scripted
from trifold.errors import LlmError
from trifold.llm.call_log import CallLog, read_log
from trifold.llm.client import Client
from trifold.llm.contract import FatalLlmError, Sampling
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit

SECRET = "sk-a-very-secret-key-0123456789"
HELLO = (Message("user", "hello"),)
OTHERS = "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def open_client(llm: str, log: Path, seconds: float = 5.0) -> Client:
    asked = LlmSettings(llm=llm, timeout_seconds=seconds, retries=0)
    return Client(OpenAIServer(llm.removeprefix("openai:"), asked), CallLog(log), SpendingLimit(), retries=0)


Answering = Callable[[socket.socket], None]


@contextmanager
def raw_server(answer: Answering) -> Iterator[str]:
    """Reads a request, and then does with the connection what it likes."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")
            )
            while len(body) < length:
                body += connection.recv(1 << 16)
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"openai:http://127.0.0.1:{listening.getsockname()[1]}/v1#raw"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in (accepting, *threads):
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
WHOLE = json.dumps({"choices": [{"message": {"role": "assistant", "content": "good"}}]}).encode()
CHUNK = json.dumps({"choices": [{"delta": {"content": "good"}, "finish_reason": "stop"}]}).encode()
STREAMED = b"data: " + CHUNK + b"\n\ndata: [DONE]\n\n"


def slowly(first: bytes, slow: bytes, last: bytes) -> Answering:
    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        for byte in slow:
            time.sleep(0.1)
            connection.sendall(bytes([byte]))
        connection.sendall(last)

    return answer


# Each is a right answer in the end, so that only a limit refuses it.
SLOW = {
    "a header of a byte at a time": (False, slowly(HEAD + b"X: ", b"a" * 20, b"\r\n\r\n" + WHOLE)),
    "a body of a byte at a time": (False, slowly(HEAD + b"\r\n", b" " * 20, WHOLE)),
    "comments": (True, slowly(HEAD + b"\r\n", b":\n" * 10, STREAMED)),
    "an event that does not end": (True, slowly(HEAD + b"\r\ndata: ", b" " * 20, STREAMED.removeprefix(b"data: "))),
}
PADDING = b" " * (4 << 20)
LARGE = {
    "a large body": (False, HEAD + b"\r\n" + PADDING + WHOLE),
    "a line without an end": (True, HEAD + b"\r\ndata: " + PADDING + STREAMED.removeprefix(b"data: ")),
    "many comments": (True, HEAD + b"\r\n" + b": wait\n\n" * (1 << 19) + STREAMED),
}


@pytest.mark.parametrize("how", SLOW)
def test_the_deadline_is_for_the_whole_call(how: str, tmp_path: Path) -> None:
    streaming, answer = SLOW[how]
    with raw_server(answer) as llm:
        client = open_client(llm, tmp_path / "log", seconds=0.5)
        with pytest.raises(LlmError, match=r"no answer within 0\.5 s"):
            client.ask(HELLO, Sampling(), (lambda _: None) if streaming else None)


@pytest.mark.parametrize("how", LARGE)
def test_an_answer_has_a_largest_size(how: str, tmp_path: Path) -> None:
    streaming, sent = LARGE[how]
    with raw_server(lambda connection: connection.sendall(sent)) as llm:
        client = open_client(llm, tmp_path / "log", seconds=20)
        with pytest.raises(LlmError, match=r"sent more than [\d,]+ bytes for one answer"):
            client.ask(HELLO, Sampling(), (lambda _: None) if streaming else None)


def test_what_was_not_asked_to_be_compressed_is_not_unfolded(tmp_path: Path) -> None:
    sent = HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PADDING + WHOLE)
    with (
        raw_server(lambda connection: connection.sendall(sent)) as llm,
        pytest.raises(LlmError, match="a compressed answer"),
    ):
        open_client(llm, tmp_path / "log", seconds=20).ask(HELLO, Sampling())


SENSELESS = {
    "deep": b'{"choices": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "deep, refused": b'{"error": {"message": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
    "half a surrogate pair": WHOLE.replace(b"good", b"good \\ud83d"),
    "no UTF-8": WHOLE.replace(b"good", b"g\xff\xffd"),
    "a number that is none": WHOLE.replace(b'"good"', b"NaN"),
    "a long number": WHOLE.replace(b'"good"', b"1" * 10_000),
    "choices that are a number": b'{"choices": 3}',
}


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("sent", SENSELESS)
def test_an_answer_without_sense_is_a_call_that_failed(sent: str, streaming: bool, tmp_path: Path) -> None:
    raw, status = SENSELESS[sent], 500 if "refused" in sent else 200
    raw = b"data: " + raw.replace(b'"message"', b'"delta"') + b"\n\n" if streaming and status == 200 else raw
    with scripted(lambda *_: Reply(raw=raw, status=status)) as server, pytest.raises(LlmError, match="in 1 calls"):
        open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling(), (lambda _: None) if streaming else None)
    assert read_log(tmp_path / "log", 1)[0].error


@pytest.mark.parametrize("count", [2**70, -5, True, "many"])
def test_a_count_of_tokens_that_cannot_be_one_is_guessed(count: object, tmp_path: Path) -> None:
    raw = json.dumps({**json.loads(WHOLE), "usage": {"prompt_tokens": count, "completion_tokens": count}}).encode()
    with scripted(lambda *_: Reply(raw=raw)) as server:
        answer = open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("good", 6, 1)


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good")) as other:
        there = {"Location": f"{other.url}/chat/completions"}
        with (
            scripted(lambda *_: Reply(status=307, headers=there)) as server,
            pytest.raises(FatalLlmError, match="which is not followed"),
        ):
            open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    assert other.requests == []


def test_a_wait_that_is_no_number_is_not_heard(tmp_path: Path) -> None:
    replies = {1: Reply("later", 429, {"Retry-After": "nan"})}
    with scripted(lambda number, _: replies.get(number, Reply("good"))) as server:
        model = OpenAIServer(server.llm.removeprefix("openai:"), LlmSettings(llm=server.llm, timeout_seconds=5))
        assert (
            Client(model, CallLog(tmp_path / "log"), SpendingLimit(), retries=1).ask(HELLO, Sampling()).text == "good"
        )


def test_what_else_the_environment_holds_stays_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHERS:
        monkeypatch.setenv(name, "nobody-may-know")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Other: nobody-may-know")
    with scripted(lambda *_: Reply("good")) as server:
        open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    assert "nobody-may-know" not in str(server.headers)
    assert "openai-project" not in server.headers[0]


def test_where_a_call_goes_is_said_before_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        client = open_client(server.llm, tmp_path / "log")
        assert capsys.readouterr().err == ""
        for text in ("one", "two"):
            client.ask((Message("user", text),), Sampling())
    assert capsys.readouterr().err == f"asking scripted at {server.url[:-3]}, with the key in OPENAI_API_KEY\n"


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "\t{}", " {} "])
def test_what_stands_around_a_key_is_left_out(around: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", around.format(SECRET))
    with scripted(lambda *_: Reply(f"your key {SECRET}")) as server:
        answer = open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert answer.text == "your key [key removed]"


@pytest.mark.parametrize("within", ["\n", "\r", "\t", " ", "é", "\x7f", "\udcff"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET[:9]}{within}{SECRET[9:]}")
    with pytest.raises(LlmError, match="OPENAI_API_KEY holds a character that no key has") as caught:
        OpenAIServer("http://127.0.0.1:9/v1#m", LlmSettings())
    assert SECRET[:9] not in str(caught.value)
    assert SECRET[9:] not in str(caught.value)


@pytest.mark.parametrize("key", [SECRET, "sk-12", "k9"])
@pytest.mark.parametrize("begin", ["", "x" * 297, "x" * 290], ids=["early", "at the cut", "over the cut"])
def test_a_refusal_that_repeats_the_key(key: str, begin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with scripted(lambda *_: Reply(f"{begin}{key}", 401)) as server, pytest.raises(FatalLlmError) as caught:
        open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    logged = read_log(tmp_path / "log", 1)[0].error or ""
    for said in (str(caught.value), logged):
        assert key[:3] not in said.replace("[key", "").replace("OPENAI_API_KEY", "")


def test_nothing_of_the_client_hangs_on_an_error(tmp_path: Path) -> None:
    """Its own errors have the request, with the key."""
    faults = (Reply("no", 401), Reply("no", 500), Reply(cut=True), Reply(raw=b"{"), Reply(wait_seconds=0.8))
    for fault in faults:
        with scripted(lambda *_, fault=fault: fault) as server, pytest.raises(LlmError) as caught:
            open_client(server.llm, tmp_path / "log", seconds=0.5).ask(HELLO, Sampling())
        error: BaseException | None = caught.value
        while error is not None:
            assert type(error).__module__.startswith("trifold")
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_a_key_in_pieces_of_a_stream_is_not_shown(size: int, tmp_path: Path) -> None:
    text = f"the key {SECRET[:6]}\x1b[0m{SECRET[6:]}, again {SECRET}; not {SECRET[:-1]}"
    chunks = [{"choices": [{"delta": {"content": text[at : at + size]}}]} for at in range(0, len(text), size)]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    raw = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    pieces: list[str] = []
    with scripted(lambda *_: Reply(raw=raw)) as server:
        answer = open_client(server.llm, tmp_path / "log").ask(HELLO, Sampling(), pieces.append)
    expected = f"the key [key removed], again [key removed]; not {SECRET[:-1]}"
    assert "".join(pieces) == expected
    assert not any(SECRET[:-1] in piece for piece in pieces[:-1])
    assert SECRET not in answer.text
    assert SECRET not in str(read_log(tmp_path / "log", 1)[0])


def test_an_answer_that_names_labels_without_end_names_none() -> None:
    from trifold.llm.answer_parser import find_word

    assert find_word("the good, the " * 20_000, ("good", "bad")) is None
    assert find_word("so good, so very good", ("good", "bad")) == 0


def test_a_proxy_of_the_environment_is_said_and_kept_within_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(lambda number, _: Reply("good", wait_seconds=3.0 * (number == 2))) as proxy:
        place = proxy.url.removeprefix("http://").removesuffix("/v1")
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://me:hunter2@{place}")
        monkeypatch.setenv("no_proxy", "")
        client = open_client("openai:http://server.invalid/v1#m", tmp_path / "log", seconds=2)
        assert client.ask(HELLO, Sampling()).text == "good"
        with pytest.raises(LlmError, match="no answer within 2 s"):
            client.ask((Message("user", "again"),), Sampling())
    said = capsys.readouterr().err
    assert said == f"asking m at http://server.invalid through the proxy {place}, with the key in OPENAI_API_KEY\n"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "ftp://127.0.0.1", "http://a:b:c"])
def test_a_proxy_that_cannot_be_used_is_one_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(LlmError, match="through the proxy that the environment names"):
        OpenAIServer("http://server.invalid/v1#m", LlmSettings())
