"""JSON files against their shapes: what is wrong is told with file and field, what is not asked for does not matter."""

import json
import os
from pathlib import Path
from typing import Literal, TypedDict

import pytest

from trifold.errors import ArtifactError, BackboneError
from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.training_length import TrainingLength, kept_budget
from trifold.schema import Size, finite, read_facts, read_value


class Inner(TypedDict, total=False):
    kind: Literal["a", "b"]


class Shape(TypedDict, total=False):
    name: str | None
    size: Size
    share: float
    inner: Inner
    pairs: list[tuple[int, str]]


def test_what_fits_comes_back_and_a_missing_field_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"name": null, "size": 3, "share": 1, "inner": {}, "pairs": [[1, "x"]], "unknown": [[]]}')
    facts = read_facts(path, Shape)
    assert (facts["name"], facts["size"], facts["pairs"], facts["unknown"]) == (None, 3, [(1, "x")], [[]])
    with pytest.raises(ArtifactError, match=r"facts\.json is damaged \(inner\.kind is missing\): restore it"):
        facts["inner"]["kind"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[]", "it is '[]' and should be an object"),
        ('{"size": 0}', "size is '0' and should be a whole number from 1"),
        ('{"size": 1000000000000}', "size is '1000000000000' and should be"),
        ('{"size": true}', "size is 'True' and should be a whole number"),
        ('{"share": 1e999}', "no JSON: 1e999 is larger than any number"),
        ('{"share": 1' + "0" * 400 + "}", "and should be a number"),
        ('{"name": 5}', "name is '5' and should be text"),
        ('{"inner": {"kind": "c"}}', "inner.kind is 'c' and should be 'a' or 'b'"),
        ('{"pairs": [[1]]}', "pairs[0] is '[1]' and should be a list of 2"),
        ('{"name": "\\ud800"}', "half of a surrogate pair"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_does_not_fit_is_told(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(content)
    with pytest.raises(ArtifactError) as told:
        read_facts(path, Shape)
    assert what in str(told.value)
    assert str(path) in str(told.value)


def test_what_json_does_not_have_is_written_as_null(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    path.write_text(json.dumps(finite({"a": [1.5, float("nan")], "b": float("inf")})))
    assert read_value(path, dict[str, list[float | None] | None]) == {"a": [1.5, None], "b": None}


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_weights_lie_in_the_folder_that_names_them(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(BackboneError, match="has no file"):
        BackboneFiles(tmp_path, "x", None).shards()


def test_a_damaged_budget_is_told(tmp_path: Path) -> None:
    assert kept_budget(tmp_path) is None
    (tmp_path / "budget.json").write_text('{"tokens": 5, "asked": "5 tokens"}')
    assert kept_budget(tmp_path) == TrainingLength(5, "5 tokens")
    for content in ("[]", '{"tokens": "5", "asked": ""}', '{"tokens": -1, "asked": ""}', "{}", ""):
        (tmp_path / "budget.json").write_text(content)
        with pytest.raises(ArtifactError):
            kept_budget(tmp_path)


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zeros.json").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)
    for name, reason in (("zeros", "no plain file"), ("pipe", "no plain file"), ("large", "more than 256 MB")):
        with pytest.raises(ArtifactError, match=rf"{name}.json is damaged .*{reason}"):
            read_facts(tmp_path / f"{name}.json", Shape)
