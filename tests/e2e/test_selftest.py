"""`trifold selftest` on a tiny backbone."""

import json
from pathlib import Path

import pytest

from trifold.cli.main import run
from trifold.methods.catalogue import METHODS


def test_selftest_passes_with_every_method_on_a_tiny_backbone(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["selftest", "--model", str(tiny_model), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["trials"]] == [*METHODS, "prompt", "export"]
    results = {one["name"]: one["result"] for one in found["trials"]}
    assert results["tfidf"] == results["export"] == "passed"
    assert results["prompt"] == "skipped"
    assert code == int("failed" in results.values())
    assert found["passed"] == (code == 0)
