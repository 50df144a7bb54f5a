"""The pages of an app, asked without a browser: who may ask, what is shown, and what no request gets at."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from trifold.app.application import make_app
from trifold.app.files import GivenFiles
from trifold.app.guard import read_token
from trifold.app.jobs import Jobs
from trifold.app.prompts import STARTER, WrittenPrompts
from trifold.app.record import EVENTS, OUTPUT, JobRecord
from trifold.app.settings import AppSettings
from trifold.app.workspace import Workspace, open_workspace
from trifold.errors import SettingsError
from trifold.events import Message

ADDRESS = "http://127.0.0.1:8765"
HOSTILE = "<script>alert(1)</script>"
NOBODY = "0" * 12


class AskedApp:
    """An app whose jobs do not begin, asked by a client in the same process."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = AppSettings(folder=folder, **settings)
        folder.mkdir()
        jobs = Jobs(folder / "jobs", (sys.executable, "-c", ""))
        self.workspace = Workspace(
            self.settings, GivenFiles(folder / "files"), jobs, WrittenPrompts(folder / "prompts"), read_token(folder)
        )
        self.faults: list[str] = []
        self._app = make_app(self.workspace, self.faults.append)

    def ask(self, method: str, path: str, address: str = ADDRESS, **more: Any) -> httpx2.Response:
        async def asked() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self._app)
            async with httpx2.AsyncClient(transport=transport, base_url=address) as client:
                return await client.request(method, path, **more)

        found = asyncio.run(asked())
        assert self.faults == []
        return found

    def form(self, path: str, **fields: str) -> httpx2.Response:
        return self.ask("POST", path, data={"token": self.workspace.token, **fields})

    def give(self, name: str, content: bytes = b"text,label\na,b\n", **query: str) -> httpx2.Response:
        headers = {"X-Token": self.workspace.token, "Accept": "application/json"}
        return self.ask("POST", "/files", params={"name": name, **query}, content=content, headers=headers)

    def job(self, kind: str, state: str, printed: object = None, said: str = "", **more: Any) -> str:
        """A job as it stands on disk when it is over."""
        record = JobRecord(kind=kind, words=[kind], name="reviews.csv", created=time.time(), **{"file": NOBODY, **more})  # type: ignore[arg-type]
        jobs = self.workspace.jobs
        number = jobs.add(record)
        (jobs.folder(number) / OUTPUT).write_text(json.dumps(printed))
        (jobs.folder(number) / EVENTS).write_text(said)
        jobs._put(number, JobRecord(**{**vars(jobs.get(number)), "state": state}))
        return number


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AskedApp]:
    yield AskedApp(tmp_path / "work", max_file_megabytes=0.1)
    outside = [path.name for path in tmp_path.iterdir() if path.name != "work"]
    assert outside == [], "nothing is written outside of the folder"


def test_a_page_is_from_here_alone(app: AskedApp) -> None:
    found = app.ask("GET", "/")
    assert found.status_code == 200
    policy = found.headers["content-security-policy"]
    assert policy == "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    assert not re.search(r"<script(?! src=)|<style|style=|javascript:|https?://", found.text)
    for asset in re.findall(r'(?:src|href)="(/assets/[^"]+)"', found.text):
        assert app.ask("GET", asset).status_code == 200


@pytest.mark.parametrize(
    "host", ["http://evil.example:8765", "http://127.0.0.1.evil.example", "http://192.168.0.7:8765"]
)
def test_other_names_that_lead_here_are_refused(host: str, app: AskedApp) -> None:
    assert app.ask("GET", "/", host).status_code == 421
    assert app.ask("GET", "/", "http://localhost:8765").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
    ],
)
def test_posts_of_other_sites_are_refused(headers: dict[str, str], app: AskedApp) -> None:
    number = app.job("compare", "cancelled")
    fields = {"token": app.workspace.token}
    assert app.ask("POST", f"/jobs/{number}/resume", data=fields, headers=headers).status_code == 403
    sent = {**headers, "X-Token": app.workspace.token}
    assert app.ask("POST", "/files?name=a.csv", content=b"text\na\n", headers=sent).status_code == 403
    assert app.workspace.jobs.get(number).state == "cancelled"
    assert app.workspace.files.all() == []


def test_what_bears_no_token_is_refused(app: AskedApp) -> None:
    number = app.job("compare", "cancelled")
    for path in (f"/jobs/{number}/resume", f"/jobs/{number}/cancel", f"/files/{NOBODY}/check", f"/jobs/{number}/try"):
        for fields in ({"text": "a"}, {"token": ""}, {"token": "x"}, {"token": "é"}):
            assert app.ask("POST", path, data=fields).status_code == 403, (path, fields)
    assert app.ask("POST", "/files?name=a.csv", content=b"text\n").status_code == 403
    assert app.form(f"/jobs/{number}/resume").status_code == 303
    assert app.workspace.jobs.get(number).state == "waiting"


def test_the_token_is_the_same_after_a_restart_and_nobody_elses_to_read(tmp_path: Path) -> None:
    first = read_token(tmp_path)
    assert first == read_token(tmp_path)
    assert len(first) >= 32
    assert (tmp_path / "token.txt").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/reviews.csv",
        "/tmp/reviews.csv",
        "..\\reviews.csv",
        "re\x00views.csv",
        "x" * 9_000 + ".csv",
        "con.csv",
    ],
)
def test_no_name_of_a_file_leads_out_of_its_folder(name: str, app: AskedApp) -> None:
    found = app.give(name)
    assert found.status_code == 201
    number = found.json()["next"].rpartition("/")[2]
    path = app.workspace.files.path(number)
    assert path.parent == app.settings.folder / "files" / number
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([path.name, "file.json"])


def test_a_file_that_is_no_data_or_too_large_is_refused_in_words(app: AskedApp) -> None:
    refusals = {
        "a file of this kind is not read here": ("reviews.exe", b"text\n"),
        "the file is empty": ("reviews.csv", b""),
        "the file is packed": ("reviews.csv", b"\x1f\x8b\x08\x00" + b"\x00" * 20),
        "the body is larger than 100,000 bytes": ("reviews.csv", b"a" * 100_001),
    }
    for sentence, (name, content) in refusals.items():
        found = app.give(name, content)
        assert found.status_code in (413, 422)
        assert sentence in found.json()["error"]
    assert app.workspace.files.all() == []
    assert list((app.settings.folder / "files").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/files/{}",
        "/files/{}/methods",
        "/jobs/{}",
        "/jobs/{}/events",
        "/jobs/{}/try",
        "/jobs/{}/mistakes",
        "/jobs/{}/label",
        "/jobs/{}/results/report.html",
    ],
)
@pytest.mark.parametrize("number", [NOBODY, "..%2f..%2fetc", "x" * 2_000, "%00", "token.txt"])
def test_what_there_is_not_is_told_on_a_page(path: str, number: str, app: AskedApp) -> None:
    found = app.ask("GET", path.format(number))
    assert found.status_code == 404
    assert "there is no such" in found.text


@pytest.mark.parametrize(
    "name",
    ["job.json", "run.json", "best", "..%2fjob.json", "best%2frun.json", "output.json", ".", "leaderboard.csv%00"],
)
def test_results_are_fetched_by_a_fixed_list_of_names(name: str, app: AskedApp) -> None:
    number = app.job("compare", "finished", {"run": "x"})
    results = app.workspace.jobs.results(number)
    (results / "best").mkdir(parents=True)
    for made in (results / "run.json", results / "leaderboard.csv", results / "report.html"):
        made.write_text(f"<p>{HOSTILE}</p>")
    assert app.ask("GET", f"/jobs/{number}/results/{name}").status_code == 404
    found = app.ask("GET", f"/jobs/{number}/results/leaderboard.csv")
    assert found.headers["content-disposition"].startswith("attachment")
    report = app.ask("GET", f"/jobs/{number}/results/report.html").headers["content-security-policy"]
    assert report.endswith("frame-ancestors 'self'; sandbox allow-scripts")
    assert report.startswith("default-src 'none'; ")


def test_hostile_columns_labels_and_messages_are_shown_as_text(app: AskedApp) -> None:
    given = f'"{HOSTILE}",label\n,"{HOSTILE}"\n=cmd(),b\n'
    number = app.give("reviews.csv", given.encode()).json()["next"].rpartition("/")[2]
    checked, _ = app.workspace.latest(number, "check") or ("", None)
    facts = {
        "text_column": HOSTILE, "label_column": HOSTILE, "guessed": True, "rows_used": 2, "warnings": [HOSTILE],
        "bad_rows": [[2, f"empty {HOSTILE}"]], "conflicting_lines": [], "near_conflicts": [[2, 3]],
        "first_rows": [[HOSTILE, [HOSTILE, "=cmd()"]], [{"first": HOSTILE, "second": "b"}, 1]], "variants": {HOSTILE: "b"},
        "parts": {"training": 1, "validation": 1, "test": 1}, "labels": {HOSTILE: 1, "$b": 2},
    }  # fmt: skip
    jobs = app.workspace.jobs
    (jobs.folder(checked) / OUTPUT).write_text(json.dumps(facts))
    (jobs.folder(checked) / EVENTS).write_text(
        json.dumps({"event": "message", **vars(Message(HOSTILE, "warning"))}) + "\n"
    )
    jobs._put(checked, JobRecord(**{**vars(jobs.get(checked)), "state": "finished"}))
    found = app.ask("GET", f"/files/{number}")
    assert found.status_code == 200
    assert "<script>alert" not in found.text
    assert found.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8
    assert "=cmd()" in found.text


def test_methods_are_chosen_by_what_the_form_names(app: AskedApp) -> None:
    number = app.give("reviews.csv").json()["next"].rpartition("/")[2]
    assert app.form(f"/files/{number}/forecast").status_code == 422
    forecast = app.job(
        "forecast",
        "finished",
        {"seconds": {"tfidf": 2.0, "full": 65.0}, "skipped": {"contrastive": HOSTILE}},
        file=number,
    )
    page = app.ask("GET", f"/jobs/{forecast}", follow_redirects=True)
    assert "about 1 min 07 s in all" in page.text
    assert HOSTILE not in page.text
    for fields, sentence in (
        ({}, "no method is chosen"),
        ({"method-tfidf": "on", "time_limit": "soon"}, "the minutes are no number"),
        ({"method-tfidf": "on", "time_limit": "nan"}, "the minutes are no number"),
        ({"method-tfidf": "on", "time_limit": "-1"}, "the minutes are no number"),
    ):
        refused = app.form(f"/files/{number}/compare", **fields)
        assert (refused.status_code, sentence in refused.text) == (422, True)
    found = app.form(f"/files/{number}/compare", **{"method-tfidf": "on", "method-full": "on", "time_limit": "10"})
    job = found.headers["location"].rpartition("/")[2]
    words = app.workspace.jobs.get(job).words
    path, results = app.workspace.files.path(number), app.workspace.jobs.results(job)
    assert words == [
        "compare",
        str(path),
        "--methods",
        "tfidf,full",
        "--time-limit",
        "10",
        "--output-dir",
        str(results),
    ]


def test_columns_that_look_like_flags_stay_columns(app: AskedApp) -> None:
    number = app.give("reviews.csv", b"--output,label\na,b\n").json()["next"].rpartition("/")[2]
    app.form(f"/files/{number}/check", text_column="--output", label_column="label", merge_labels="on")
    _, record = app.workspace.latest(number, "check") or ("", None)
    assert record is not None
    assert record.words[2:] == ["--text-column=--output", "--label-column", "label", "--merge-labels"]


def test_how_far_a_comparison_is(app: AskedApp) -> None:
    lines = [
        {"event": "message", "text": "forecast: about 9 s in all", "level": "info"},
        {
            "event": "progress",
            "work": -1,
            "task": "training on 9 texts",
            "done": 50,
            "total": 200,
            "seconds": 5.0,
            "run": "full",
        },
        {"event": "losses", "epoch": 1.0, "train": 0.7, "validation": 0.6, "run": "full"},
        {"event": "losses", "epoch": 2.0, "train": 0.5, "validation": 0.4, "run": "full"},
    ]
    number = app.job("compare", "running", said="".join(json.dumps(line) + "\n" for line in lines))
    page = app.ask("GET", f"/jobs/{number}").text
    assert "At work on full." in page
    assert "full: training on 9 texts" in page
    assert "about 15 s left" in page
    assert 'value="0.2500"' in page
    assert 'points="150.0,36.7 300.0,110.0"' in page
    assert 'role="status"' in page


def test_a_job_that_is_over_sends_what_came_of_it_and_no_more(app: AskedApp) -> None:
    number = app.job("compare", "failed", error="the text is missing")
    told = app.ask("GET", f"/jobs/{number}/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    first, last, _ = told.text.split("\n\n")
    assert "It failed: the text is missing" in json.loads(first.removeprefix("data: "))["status"]
    assert last.startswith("event: over")
    assert "No method was done by then" in app.ask("GET", f"/jobs/{number}").text


def test_two_apps_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.file_lock._WAIT_SECONDS", 0.1)
    settings = AppSettings(folder=tmp_path / "work")
    with (
        open_workspace(settings),
        pytest.raises(SettingsError, match="name another --folder"),
        open_workspace(settings),
    ):
        pass


def test_texts_without_labels_are_given_for_one_of_three_uses(app: AskedApp) -> None:
    expected = {
        "index": (["search", "build"], [], "--index", ""),
        "summarize": (["summarize"], [], "--output", "summaries.csv"),
        "similar": (["similar"], ["--top-k", "3"], "--output", "similar.csv"),
    }
    for use, (verb, more, flag, name) in expected.items():
        number = app.give("texts.csv", use=use).json()["next"].rpartition("/")[2]
        record, results = app.workspace.jobs.get(number), app.workspace.jobs.results(number)
        path = app.workspace.files.path(record.file)
        assert record.words == [*verb, str(path), *more, flag, str(results / name)]
    assert app.give("texts.csv", use="rm").status_code == 404
    assert len(app.workspace.files.all()) == 3


def test_a_job_that_took_the_wrong_column_is_done_again_with_another(app: AskedApp) -> None:
    number = app.give("texts.csv", use="summarize").json()["next"].rpartition("/")[2]
    assert app.form(f"/jobs/{number}/again", text_column="--text").status_code == 422, "it has not ended yet"
    jobs = app.workspace.jobs
    jobs._put(number, JobRecord(**{**record_fields(jobs.get(number)), "state": "failed", "error": "no column"}))
    assert '<option value="label">' in app.ask("GET", f"/jobs/{number}").text
    found = app.form(f"/jobs/{number}/again", text_column="--text").headers["location"].rpartition("/")[2]
    assert jobs.get(found).words[2:3] == ["--text-column=--text"]


def test_a_file_is_removed_with_all_that_was_made_of_it(app: AskedApp) -> None:
    number, other = (app.give("reviews.csv").json()["next"].rpartition("/")[2] for _ in range(2))
    jobs, (checked, record) = app.workspace.jobs, app.workspace.latest(number, "check") or ("", None)
    jobs._put(checked, JobRecord(**{**record_fields(record), "state": "running"}))  # type: ignore[arg-type]
    refused = app.form(f"/files/{number}/remove")
    assert (refused.status_code, "stop it first" in refused.text) == (422, True)
    assert app.ask("GET", f"/files/{number}").status_code == 200
    jobs._put(checked, JobRecord(**{**record_fields(record), "state": "finished"}))  # type: ignore[arg-type]
    assert app.form(f"/files/{number}/remove").headers["location"] == "/"
    assert app.ask("GET", f"/files/{number}").status_code == 404
    assert [file for file, _ in app.workspace.files.all()] == [other]
    assert (
        len(list((app.settings.folder / "jobs").iterdir())) == len(list((app.settings.folder / "files").iterdir())) == 1
    )


def test_a_prompt_is_written_tried_and_compared(app: AskedApp) -> None:
    bad = app.form("/prompts", name="bad", prompt="task = 3")
    assert bad.status_code == 422
    assert "task = 3" in bad.text, "what was written is still there"
    file = app.give("reviews.csv").json()["next"].rpartition("/")[2]
    first, second = (
        app.form("/prompts", name=name, prompt=text.replace("\n", "\r\n")).headers["location"].rpartition("/")[2]
        for name, text in ((HOSTILE, STARTER), ("second", STARTER.replace("Judge", "Find")))
    )
    page = app.ask("GET", f"/prompts/{first}").text
    assert HOSTILE not in page
    assert app.form(f"/prompts/{first}/try", file=file, rows="0", llm="x").status_code == 422
    assert app.form(f"/prompts/{first}/try", file="../x", rows="3", llm="x").status_code == 404
    job = app.form(f"/prompts/{first}/try", file=file, rows="3", llm="hf:m").headers["location"].rpartition("/")[2]
    words = app.workspace.jobs.get(job).words
    prompt, data = app.workspace.prompts.path(first), app.workspace.files.path(file)
    result = app.workspace.jobs.results(job) / "answers.csv"
    asked = ["--llm", "hf:m", "--max-calls", "3"]
    assert words == ["prompt", "run", str(prompt), "--file", str(data), *asked, "--output", str(result)]
    compared = app.ask("GET", f"/prompts/compare?first={first}&second={second}").text
    assert "+  &#34;Find the writer" in compared
    assert app.form(f"/prompts/{second}/remove").status_code == 303
    assert app.ask("GET", f"/prompts/{second}").status_code == 404


def record_fields(record: JobRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in JobRecord.__dataclass_fields__}
