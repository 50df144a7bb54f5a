"""A prompt on every row of a file: columns to variables, batches, the log, and what cannot be filled."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scripted_server import Reply, scripted
from trifold.cli.main import run
from trifold.llm.call_log import read_log

PROMPT = 'task = "Text: {text}\\nLabel:"\nrole = "You label texts."\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def home(tmp_path: Path, reviews: Path) -> Path:
    write(tmp_path / "p.toml", PROMPT)
    texts = [f'{number},"{row["text"]}"' for number, row in enumerate(rows_of(reviews)[:30])]
    write(tmp_path / "rows.csv", "id,text", *texts[:9], "9,", *texts[10:])
    return tmp_path


def ask(home: Path, llm: str, *more: object) -> int:
    log = () if "--log" in more else ("--log", home / "log")
    words = ("prompt", "run", home / "p.toml", "--llm", llm, *log, *more)
    return run([str(word) for word in words])


def test_every_row_gets_the_answer_that_it_gets_alone(
    home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_cpu = ("--device", "cpu", "--precision", "float32")
    assert ask(home, f"hf:{decoder}", "--file", home / "rows.csv", "--output", home / "out.csv", *on_cpu) == 0
    assert "29 rows answered, 1 unreadable" in capsys.readouterr().err
    found = rows_of(home / "out.csv")
    assert [row["id"] for row in found] == [str(number) for number in range(30)]
    assert (found[9]["answer"], found[9]["error"]) == ("", "line 11: the text is empty")
    for row in found[::10]:
        assert ask(home, f"hf:{decoder}", "--var", f"text={row['text']}", "--log", home / "another", *on_cpu) == 0
        assert capsys.readouterr().out.strip() == row["answer"]


def test_after_a_stop_the_same_command_asks_for_the_rest_alone(
    home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--file", home / "rows.csv", "--output", home / "out.csv", "--force", "--temperature", "0.8", "--json")
    assert ask(home, f"hf:{decoder}", "--max-calls", 10, *to) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["answered"], said["unasked"], said["unreadable"], said["calls"]) == (10, 19, 1, 10)
    first = [row["answer"] for row in rows_of(home / "out.csv")]
    assert ask(home, f"hf:{decoder}", *to) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["answered"], said["calls"], said["from_log"]) == (29, 19, 10)
    assert len(read_log(home / "log", 100)) == 29
    again = [row["answer"] for row in rows_of(home / "out.csv")]
    assert all(one in ("", other) for one, other in zip(first, again, strict=True))


def test_columns_fill_the_variables_of_their_names(home: Path, tmp_path: Path) -> None:
    write(
        home / "p.toml",
        'task = "{who}: {question} {tone}"',
        "[variables]",
        'who = ""',
        'question = ""',
        'tone = { default = "calm" }',
    )
    write(home / "rows.csv", "question,who", '"why, oh",Ann', '"",Bob', "how,Cid")
    with scripted(lambda *_: Reply("so")) as server:
        assert ask(home, server.llm, "--file", home / "rows.csv", "--output", home / "out.csv", "--answer-as", "said") == 0  # fmt: skip
        sent = sorted(server.asked())
    assert sent == ["Ann: why, oh calm", "Cid: how calm"]
    found = rows_of(home / "out.csv")
    assert [row["said"] for row in found] == ["so", "", "so"]
    assert "column 'question' is empty" in found[1]["error"]
    with scripted(lambda *_: Reply("so")) as server:
        given = ("--var", "who=Dan", "--text-column", "who", "--file", home / "rows.csv")
        assert ask(home, server.llm, *given, "--output", home / "other.csv") == 0
        assert sorted(server.asked()) == [f"Dan: {name} calm" for name in ("Ann", "Bob", "Cid")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--output", "OUT"), "is about the rows of a file: name it with --file"),
        (("--answer-as", "x"), "is about the rows of a file"),
        (("--file", "ROWS", "--answer-as", "error"), "errors are written there"),
        (("--file", "ROWS", "--answer-as", "id"), "already has a column 'id'"),
        (("--file", "ROWS", "--var", "text=a"), "has no column that fills a variable"),
        (("--file", "ROWS", "--var", "tone=a"), "the prompt has no variable tone"),
        (("--file", "ROWS", "--stop", ""), "give some text"),
        (("--file", "NONE"), "there is no file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    given: tuple[str, ...], said: str, home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"ROWS": home / "rows.csv", "OUT": home / "out.csv", "NONE": home / "none.csv"}
    assert ask(home, f"hf:{decoder}", *(names.get(word, word) for word in given)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not (home / "out.csv").exists()


def test_several_variables_without_a_column_are_named(
    home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home / "p.toml", 'task = "{who} {what}"\nvariables = { who = "", what = "" }')
    assert ask(home, f"hf:{decoder}", "--file", home / "rows.csv") == 2
    assert "has no column for who and what" in capsys.readouterr().err


def test_a_forecast_makes_no_call(home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, f"hf:{decoder}", "--file", home / "rows.csv", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 29
    assert not read_log(home / "log", 9)


def test_stops_come_from_the_prompt_file_and_from_the_flag(
    home: Path, decoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home / "p.toml", PROMPT.replace('["bad", "good"] }', '["bad", "good"], stop = ["oo", "a"] }'))
    assert ask(home, f"hf:{decoder}", "--var", "text=a superb film", "--device", "cpu") == 0
    assert capsys.readouterr().out.strip() in ("g", "b")
    with scripted(lambda *_: Reply("so")) as server:
        assert ask(home, server.llm, "--var", "text=a", "--stop", "\n", "--stop", "a") == 0
        body: Any = server.requests[0]
    assert body["stop"] == ["oo", "a", "\n"]
