"""A run folder decides on no connection unseen."""

from pathlib import Path

import pytest

from trifold.errors import ArtifactError, BackboneError
from trifold.models.locate import find_base, locate


@pytest.mark.parametrize("revision", [None, "main", "abc"])
def test_a_base_without_a_full_commit_is_not_fetched(revision: str | None) -> None:
    with pytest.raises(ArtifactError, match="names no full commit: download that model yourself"):
        find_base({"base": "someone/tracker", "base_revision": revision}, Path("run"), offline=False)


def test_a_base_is_fetched_after_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError):
        find_base({"base": "someone/tracker", "base_revision": "a" * 40}, Path("run"), offline=False)
    assert (
        "note: run was trained on someone/tracker, which is downloaded from http://127.0.0.1:9"
        in capsys.readouterr().err
    )


def test_a_name_that_is_no_folder_and_no_model_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        BackboneError, match=r"there is no folder pre here and no model of that name .*USER/NAME"
    ) as told:
        locate("pre", offline=True)
    assert "--model" not in str(told.value)
