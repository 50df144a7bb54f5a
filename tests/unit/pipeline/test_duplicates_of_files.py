import csv
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from trifold.data.settings import ResultSettings
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.errors import BackboneError, DataError, SettingsError
from trifold.pipeline import duplicates as module
from trifold.pipeline.duplicates import DuplicatesRequest, duplicates

FILM = "the film is a quiet wonder and nobody in the audience made a sound until the very last scene was over"
ROWS = [(FILM, 1), ("A dull story.", 2), ("", 3), (f"{FILM}, really", 4), ("a dull story.", 5), ("Robots fight.", 6)]


def write(path: Path, rows=ROWS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "number"), *rows])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_file_comes_back_without_duplicates_and_rows_without_a_text_stay(tmp_path):
    output = tmp_path / "kept.csv"
    request = DuplicatesRequest(data=write(tmp_path / "a.csv"), drop=True, result=ResultSettings(output=output))
    report = duplicates(request)
    assert report.counts == {"exact": 1, "near": 1, "semantic": 0}
    assert [row["number"] for row in read(output)] == ["1", "2", "3", "6"]
    assert read(output)[0] == {"text": FILM, "number": "1"}
    told = report.as_dict()
    assert (told["rows"], told["bad_rows"], told["duplicates"], told["clusters"]) == (6, 1, 2, 2)
    assert told["found"][0]["row"] == 4
    assert told["found"][0]["line"] == 5
    assert told["found"][0]["of_line"] == 2
    json.dumps(told)


def test_without_drop_every_row_says_of_which_line_it_is_a_duplicate(tmp_path):
    output = tmp_path / "all.parquet"
    duplicates(DuplicatesRequest(data=write(tmp_path / "a.csv"), result=ResultSettings(output=output)))
    table = pq.read_table(output).to_pylist()
    assert [row["duplicate_of"] for row in table] == [None, None, None, 2, 3, None]
    assert [row["duplicate_kind"] for row in table] == [None, None, None, "near", "exact", None]
    assert table[4]["similarity"] == 1


def test_rows_that_stand_in_another_file_are_found_and_dropped(tmp_path):
    test = write(tmp_path / "test.csv", [("Robots fight!", 1), ("New.", 2), (FILM, 3)])
    output = tmp_path / "clean.csv"
    request = DuplicatesRequest(
        data=test, against=write(tmp_path / "train.csv"), drop=True, result=ResultSettings(output=output)
    )
    report = duplicates(request)
    assert [(copy.position, copy.of, copy.kind) for copy in report.copies] == [(0, 4, "near"), (2, 0, "exact")]
    assert report.clusters is None
    assert [row["number"] for row in read(output)] == ["2"]


def test_nothing_is_lost_and_no_flag_is_ignored(tmp_path):
    data = write(tmp_path / "a.csv")
    with pytest.raises(SettingsError, match="--drop without --output"):
        duplicates(DuplicatesRequest(data=data, drop=True))
    with pytest.raises(SettingsError, match="would be lost"):
        duplicates(DuplicatesRequest(data=data, drop=True, result=ResultSettings(output=data, force=True)))
    assert len(read(data)) == 6


def test_vectors_of_an_encoder_find_more(tmp_path, tiny_model):
    settings = DuplicateSettings(semantic=True, semantic_threshold=0.999999)
    request = DuplicatesRequest(data=write(tmp_path / "a.csv"), model=str(tiny_model), duplicates=settings)
    assert duplicates(request).counts["exact"] == 1


def test_texts_of_unknown_characters_are_refused_since_all_would_look_alike(tmp_path, tiny_model):
    data = write(tmp_path / "a.csv", [("\N{FIRE}", 1), ("\N{FIRE}\N{SPARKLES}", 2)])
    request = DuplicatesRequest(
        data=data,
        drop=True,
        model=str(tiny_model),
        duplicates=DuplicateSettings(semantic=True),
        result=ResultSettings(output=tmp_path / "kept.csv"),
    )
    with pytest.raises(BackboneError, match="knows 0 of the"):
        duplicates(request)
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_file_that_changes_meanwhile_gives_no_result(tmp_path, monkeypatch):
    data, write_rows = write(tmp_path / "a.csv"), module.write_result

    def changing(*given, **how):
        write_rows(*given, **how)
        write(data, ROWS[:3])

    monkeypatch.setattr(module, "write_result", changing)
    with pytest.raises(DataError, match="was changed while it was being read"):
        duplicates(DuplicatesRequest(data=data, result=ResultSettings(output=tmp_path / "all.csv")))
    assert os.listdir(tmp_path) == ["a.csv"]
