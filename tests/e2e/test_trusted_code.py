"""A model's own code, run where the user says so, each time, and nowhere else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from own_code_model import AUTO_MAP, add_own_code
from warm_commands import Command


@pytest.mark.parametrize("method", ["full", "features"])
def test_trust_is_the_users_each_time_and_reaches_every_place(
    method: str, tiny_model: Path, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    marker, run, trusted = tmp_path / "was-run", tmp_path / "run", "--trust-remote-code"
    add_own_code(model, marker)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": AUTO_MAP}))
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "TRIFOLD_CACHE": str(tmp_path / "cache")}

    def ran(*words: object) -> tuple[int, bool, str]:
        marker.unlink(missing_ok=True)
        done = trifold_command(*words, env=env)
        return done.returncode, marker.exists(), done.stderr

    given = ("finetune", reviews, "--method", method, "--epochs", 1, "--model", model, "--output-dir", run)
    code, was_run, said = ran(*given, trusted)
    assert (code, was_run) == (0, True), said
    code, was_run, said = ran("predict", run, "--text", "a wonderful film")
    assert (code, was_run) == (2, False)
    assert "brings code of its own" in said
    code, was_run, said = ran("predict", run, "--text", "a wonderful film", trusted)
    assert (code, was_run) == (0, True), said
