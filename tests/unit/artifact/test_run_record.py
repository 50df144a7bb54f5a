"""`run.json` as records: what is written comes back as the same kind, and what a file lacks is told when it is asked."""

import json
from pathlib import Path

import pytest

from trifold.artifact.run_record import (
    ClassifierRecord,
    ComparisonRecord,
    ExportedRecord,
    FinetuneRecord,
    GenerateRecord,
    PretrainRecord,
    VerdictRecord,
    read_run_record,
    write_run_record,
)
from trifold.errors import ArtifactError

SAVED = ClassifierRecord(
    method="tfidf",
    command="TextClassifier.fit",
    started="2026-01-01T00:00:00+00:00",
    seed=42,
    versions={"trifold": "0"},
    hardware={"cores": 2},
    choices={"temperature": 1.5},
    settings={"seed": 42},
    labels=["bad", "good"],
    score_name="accuracy",
    trainable_parameters=10,
)


def test_what_is_written_comes_back_and_defaults_are_left_out(tmp_path: Path) -> None:
    write_run_record(tmp_path, SAVED)
    written = json.loads((tmp_path / "run.json").read_text())
    assert {"thresholds", "exported", "asked", "seconds"}.isdisjoint(written)
    assert written == SAVED.as_json()
    read = read_run_record(tmp_path)
    assert isinstance(read, FinetuneRecord)
    assert (read.labels, read.choices, read.exported) == (SAVED.labels, SAVED.choices, None)


def test_a_field_that_the_file_lacks_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    write_run_record(tmp_path, SAVED)
    read = read_run_record(tmp_path)
    assert read.get("data") is None
    with pytest.raises(ArtifactError, match=r"run\.json is damaged \(ms_per_text is missing\): restore it"):
        _ = read.ms_per_text  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = read.no_field  # type: ignore[attr-defined]


def test_a_copy_has_other_fields_and_lacks_some(tmp_path: Path) -> None:
    exported = SAVED.but("choices", exported=ExportedRecord(engine="onnx", from_="run"))
    write_run_record(tmp_path, exported)
    written = json.loads((tmp_path / "run.json").read_text())
    assert written["exported"] == {"engine": "onnx", "from": "run"}
    assert "choices" not in written
    again = read_run_record(tmp_path)
    assert isinstance(again, FinetuneRecord)
    assert again.exported
    assert again.exported.from_ == "run"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"method": "tfidf"}, FinetuneRecord),
        ({"method": "pretrain"}, PretrainRecord),
        ({"method": "full", "task": "generate"}, GenerateRecord),
        ({"verdict": {"ship": "tfidf"}}, ComparisonRecord),
    ],
)
def test_the_content_tells_which_kind_of_run_it_is(content: dict[str, object], kind: type, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert type(read_run_record(tmp_path)) is kind


def test_a_nested_field_of_another_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"verdict": {"ship": 5}}')
    with pytest.raises(ArtifactError, match=r"verdict\.ship is '5' and should be text"):
        read_run_record(tmp_path)


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    expected = {"value": float("nan"), "low": 0.0, "high": 1.0}
    verdict = VerdictRecord(ship="a", best="a", guess=True, expected=expected, undecided=True, sentences=[])
    write_run_record(tmp_path, SAVED.but(choices={"verdict": verdict}))
    assert json.loads((tmp_path / "run.json").read_text())["choices"]["verdict"]["expected"]["value"] is None
