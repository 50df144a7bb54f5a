import csv
import json
import os

import pytest

from conftest import write_reviews
from trifold.cli.main import run
from trifold.data.settings import ResultSettings
from trifold.documents.topics.settings import TopicSettings
from trifold.errors import BackboneError, DataError, SettingsError
from trifold.pipeline import topics as module
from trifold.pipeline.topics import TopicsRequest, topics


def test_the_file_comes_back_with_topics_and_the_map_is_one_page(tmp_path, tiny_model):
    data = write_reviews(tmp_path / "a.csv", rows=60)
    data.write_text(data.read_text() + ",good\n", encoding="utf-8")
    output, page = tmp_path / "b.csv", tmp_path / "map.html"
    request = TopicsRequest(
        data=data, map=page, model=str(tiny_model), topics=TopicSettings(topics=3), result=ResultSettings(output=output)
    )
    report = topics(request)
    assert sum(topic.size for topic in report.topics.topics) + report.topics.others == 60
    assert report.data.bad_rows == 1
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 61
    assert rows[60]["topic"] == ""
    assert {row["topic"] for row in rows[:60]} <= {"", "1", "2", "3"}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert '"good"' in text
    json.dumps(report.as_dict())
    again = TopicsRequest(data=data, map=tmp_path / "again.html", model=str(tiny_model), topics=TopicSettings(topics=3))
    topics(again)
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_nothing_is_lost_and_no_flag_is_ignored(tmp_path, tiny_model):
    data = write_reviews(tmp_path / "a.csv", rows=60)
    with pytest.raises(SettingsError, match=r"name a file that ends in \.html"):
        topics(TopicsRequest(data=data, map=tmp_path / "map.png"))
    (tmp_path / "there.html").write_text("mine")
    with pytest.raises(SettingsError, match="there already"):
        topics(TopicsRequest(data=data, map=tmp_path / "there.html"))
    with pytest.raises(SettingsError, match="--force without --output or --map"):
        topics(TopicsRequest(data=data, result=ResultSettings(force=True)))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--label-column", "lable"], "did you mean 'label'?"),
        (["--topics", "100"], "60 different texts: give at least 100"),
        (["--topics", "1"], "--topics 1 is not allowed"),
    ],
)
def test_mistakes_are_one_sentence(flags, said, tmp_path, tiny_model, capsys):
    data = write_reviews(tmp_path / "a.csv", rows=60)
    assert run(["topics", str(data), "--model", str(tiny_model), *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_changes_meanwhile_gives_no_result(tmp_path, tiny_model, monkeypatch):
    data, write_rows = write_reviews(tmp_path / "a.csv", rows=60), module.write_result

    def changing(*given, **how):
        write_rows(*given, **how)
        write_reviews(data, rows=50)

    monkeypatch.setattr(module, "write_result", changing)
    request = TopicsRequest(
        data=data, map=tmp_path / "m.html", model=str(tiny_model), result=ResultSettings(output=tmp_path / "b.csv")
    )
    with pytest.raises(DataError, match="was changed while it was being read"):
        topics(request)
    assert os.listdir(tmp_path) == ["a.csv"]


def test_texts_of_unknown_characters_are_refused_since_all_would_look_alike(tmp_path, tiny_model):
    data = tmp_path / "a.csv"
    data.write_text("text\n" + "".join(f"{chr(0x1F300 + n)}\n" for n in range(20)), encoding="utf-8")
    with pytest.raises(BackboneError, match="knows 0 of the"):
        topics(TopicsRequest(data=data, model=str(tiny_model)))


def test_texts_that_are_longer_than_the_model_reads_are_counted(tmp_path, tiny_model, capsys):
    data = write_reviews(tmp_path / "a.csv", rows=60)
    long = " ".join(["film"] * 300)
    data.write_text(data.read_text() + f"{long},good\n{long} plot,bad\n", encoding="utf-8")
    words = ["topics", str(data), "--model", str(tiny_model), "--max-length", "64", "--json"]
    assert run(words) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["truncated"] == 2
    assert "note: 2 texts had more than 64 tokens" in shown.err
    assert run(["duplicates", *words[1:], "--semantic"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["truncated"] == 2
    assert "note: 2 texts had more than 64 tokens" in shown.err
