"""Names of files and folders in a record, and what others read instead."""

from pathlib import Path

import pytest

from trifold.pipeline.private_names import PrivateNames

RECORD = {
    "data": {
        "path": "/home/me/secret/patients.csv",
        "sha256": "ab",
        "test_file": "held-out.csv",
        "validation_file": None,
        "reading": {"test_file": "held-out.csv"},
    },
    "settings": {"model": "../models/bert"},
    "backbone": {"name": "/home/me/models/bert", "revision": None},
}


@pytest.fixture
def names(tmp_path: Path) -> PrivateNames:
    return PrivateNames(RECORD, tmp_path / "run")


def test_data_are_named_by_what_they_are_for_and_models_by_their_folder(names: PrivateNames) -> None:
    found = names.in_json(RECORD)
    assert found["data"]["path"] == "data"
    assert found["data"]["test_file"] == found["data"]["reading"]["test_file"] == "test-data"
    assert found["backbone"]["name"] == found["settings"]["model"] == "bert"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (
            "trifold finetune /home/me/secret/patients.csv --test-file held-out.csv --model ../models/bert",
            "trifold finetune data --test-file test-data --model bert",
        ),
        ("trifold finetune x.csv --model BAAI/bge-small", "trifold finetune x.csv --model BAAI/bge-small"),
        ("trifold finetune hf:stanford/imdb:test", "trifold finetune hf:stanford/imdb:test"),
        ("trifold finetune x --llm hf:/home/me/gemma", "trifold finetune x --llm hf:gemma"),
        ("trifold export /home/me/runs/one --int8", "trifold export one --int8"),
        ("trifold finetune x --label-separator /", "trifold finetune x --label-separator /"),
        ("trifold finetune x '--prompt=/home/me/p.toml'", "trifold finetune x --prompt=p.toml"),
    ],
)
def test_a_command_is_told_without_places(command: str, shown: str, names: PrivateNames) -> None:
    assert names.in_json({"command": command})["command"] == shown


def test_text_for_people_is_told_without_them(names: PrivateNames, tmp_path: Path) -> None:
    text = f"`patients.csv` from /home/me/secret/patients.csv, not outpatients.csv; {tmp_path}/run/model and {Path.home()}/x"
    shown = names.in_text(text)
    assert shown.startswith("`data` from data, not outpatients.csv; ")
    assert str(tmp_path) not in shown
    assert f"{Path.home()}/" not in shown


def test_what_may_look_like_a_place_and_is_none_stays(names: PrivateNames) -> None:
    kept = {
        "labels": ["/r/films", "n/a"],
        "id2label": {"0": "/r/films"},
        "score_name": "f1:a/b",
        "name": "BAAI/bge-small",
    }
    assert names.in_json(kept) == kept
