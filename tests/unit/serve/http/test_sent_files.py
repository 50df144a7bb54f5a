"""Files that are sent to be labelled: the result is that of `predict --output`, and no name leads anywhere."""

import csv
import errno
import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.data.settings import ResultSettings
from trifold.inference.run import load_run
from trifold.inference.stream import predict_file
from trifold.serve.http.settings import HttpSettings

ROWS = "id,text,note\n1,a superb film,=cmd()\n2,,empty\n3,the plot is dull,<script>\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return served_runs.of_each_kind(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[AskedServer]:
    with asked_server(folders, http=HttpSettings(max_file_megabytes=1.0)) as running:
        yield running


def send(server: AskedServer, content: bytes, name: str = "reviews.csv", **query: str) -> dict[str, Any]:
    """What becomes of a file, once it is done."""
    sent = server.post("/files", content=content, params={"name": name, **query})
    assert sent.status_code == 202, sent.text
    path = f"/files/{sent.json()['id']}"
    for _ in range(600):
        found: dict[str, Any] = server.get(path).json()
        if found["state"] != "running":
            return {**found, "path": path}
        time.sleep(0.02)
    raise AssertionError(found)


@pytest.mark.parametrize("run", ["films", "moods"])
def test_a_file_comes_back_as_predict_writes_it(
    run: str, server: AskedServer, folders: dict[str, Path], tmp_path: Path
) -> None:
    content = ROWS + "".join(f"{n},number {n} is superb,\n" for n in range(4, 1_500))
    found = send(server, content.encode(), run=run)
    assert (found["state"], found["rows"], found["done"]) == ("done", 1_499, 1_499), found
    assert found["summary"] == "1,498 rows labelled, 1 unreadable"
    got = server.get(f"{found['path']}/result")
    assert 'filename="reviews-labelled.csv"' in got.headers["content-disposition"]
    (tmp_path / "reviews.csv").write_text(content)
    predict_file(load_run(folders[run]), tmp_path / "reviews.csv", result=ResultSettings(output=tmp_path / "out.csv"))
    assert got.text == (tmp_path / "out.csv").read_text()


def test_pairs_tables_and_spreadsheets(server: AskedServer) -> None:
    rows = '{"sentence1": "The plot is superb", "sentence2": "The plot is dull"}\n'
    found = send(server, rows.encode(), "pairs.jsonl", run="pairs")
    assert found["name"] == "pairs-labelled.jsonl"
    assert '"prediction": ' in server.get(f"{found['path']}/result").text
    found = send(server, ROWS.encode(), excel_safe="true")
    [first, *_] = csv.DictReader(io.StringIO(server.get(f"{found['path']}/result").text))
    assert first["note"] == "'=cmd()"


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [
        (b"", "a.csv", 422, "the file is empty"),
        (b"text\na\n", "a.exe", 422, "a file of this kind is not read here"),
        (b"text\na\n", "a", 422, "a file of this kind is not read here"),
        (b"\x1f\x8b\x08\x00abcdefgh", "a.csv", 422, "the file is packed"),
        (b"a" * 1_100_000, "a.csv", 413, "larger than 1,000,000 bytes"),
        (b"text\na\n", "a.jsonl", None, ""),
    ],
)
def test_what_is_no_file_is_refused(
    content: bytes, name: str, status: int | None, said: str, server: AskedServer
) -> None:
    if status is None:
        found = send(server, content, name)
        assert found["state"] == "failed"
        assert "the file" in found["error"]
        assert str(server.files.folder) not in found["error"]
        return
    refused = server.post("/files", content=content, params={"name": name})
    assert (refused.status_code, said in refused.json()["error"]) == (status, True), refused.text
    assert not [job for job in server.files.jobs.values() if job.state == "arriving"]


def test_a_file_that_has_such_columns_already_fails_with_the_reason(server: AskedServer) -> None:
    found = send(server, b"text,prediction\na film,1\n")
    assert (found["state"], "already has a column 'prediction'" in found["error"]) == ("failed", True), found


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.csv", "/tmp/x.csv", "..\\..\\x.csv", "a\x00\r\nSet-Cookie: b.csv", "é\u202e.csv"]
)
def test_a_name_is_no_path_and_no_header(name: str, server: AskedServer) -> None:
    found = send(server, ROWS.encode(), name)
    assert found["state"] == "done"
    assert not {"/", "\\", "\x00", "\r", "\n", "\u202e"} & set(found["name"])
    assert not found["name"].startswith(".")
    got = server.get(f"{found['path']}/result")
    assert got.status_code == 200
    assert "set-cookie" not in got.headers
    job = server.files.job(found["path"].removeprefix("/files/"))
    assert [path.name for path in job.folder.iterdir()] == ["labelled.csv"]


def test_what_is_forgotten_is_gone(server: AskedServer) -> None:
    found = send(server, ROWS.encode())
    job = server.files.job(found["path"].removeprefix("/files/"))
    assert server.ask("DELETE", found["path"]).status_code == 204
    assert not job.folder.exists()
    for path in (found["path"], f"{found['path']}/result", "/files/..%2f..%2fetc", "/files/none/result"):
        assert server.get(path).status_code == 404


def test_a_file_that_nobody_waits_for_is_left(server: AskedServer) -> None:
    content = "text\n" + "superb film\n" * 60_000
    path = f"/files/{server.post('/files', content=content.encode(), params={'name': 'a.csv'}).json()['id']}"
    job = server.files.job(path.removeprefix("/files/"))
    assert server.ask("DELETE", path).status_code == 204
    for _ in range(300):
        if not job.folder.exists():
            break
        time.sleep(0.02)
    assert not job.folder.exists()
    assert job.state == "failed"


def test_only_so_many_files_are_kept(server: AskedServer) -> None:
    for _ in range(6):
        send(server, ROWS.encode())
    assert len(server.files.jobs) == 4
    assert len(list(server.files.folder.iterdir())) == 4


def test_a_folder_that_the_system_tidied_away_is_made_again(server: AskedServer) -> None:
    found = send(server, ROWS.encode())
    shutil.rmtree(server.files.folder)
    assert server.get(f"{found['path']}/result").json()["error"].startswith("the result is gone")
    found = send(server, ROWS.encode())
    assert server.get(f"{found['path']}/result").status_code == 200


def test_a_file_for_which_there_is_no_room_is_told_so(server: AskedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept = list(server.files.jobs)
    with monkeypatch.context() as patch:
        patch.setattr("trifold.serve.http.files.receive", full)
        found = server.post("/files", content=ROWS.encode(), params={"name": "a.csv"})
    assert (found.status_code, found.json()["error"]) == (
        507,
        "the server cannot keep the file: No space left on device",
    )
    assert set(server.files.jobs) <= set(kept)


def test_a_file_is_forgotten_after_its_time_though_no_other_comes(
    server: AskedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.serve.http.files._KEPT_SECONDS", 0.2)
    found = send(server, ROWS.encode())
    job = server.files.job(found["path"].removeprefix("/files/"))
    for _ in range(200):
        if not job.folder.exists():
            break
        time.sleep(0.02)
    assert server.get(found["path"]).status_code == 404
    assert not job.folder.exists()
