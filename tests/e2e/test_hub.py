"""The hub's HTTP path against a stand-in on this machine: download, revision, token, resume, offline."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gguf_files import write_gguf
from hub_server import COMMITS, NAME, Hub, serving
from trifold.models.locate import locate
from warm_commands import Command


@pytest.fixture
def hub(tiny_model: Path) -> Iterator[Hub]:
    with serving(tiny_model) as made:
        yield made


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """The stand-in as the hub, and an empty cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture
def train(
    environment: dict[str, str], reviews: Path, tmp_path: Path, trifold_command: Command
) -> Callable[..., object]:
    """Fine-tune a head on the model of the stand-in."""
    count = iter(range(100))

    def run(*flags: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return trifold_command(
            *("finetune", reviews, "--method", "features", "--head", "logistic", "--model", NAME),
            *("--output-dir", tmp_path / f"run{next(count)}", *flags),
            env={**environment, **variables},
        )

    return run


def test_a_model_comes_from_the_hub_once_and_is_then_used_offline(hub: Hub, train: Command, tmp_path: Path) -> None:
    done = train("--revision", "v1")
    assert done.returncode == 0, done.stderr
    backbone = json.loads((tmp_path / "run0" / "run.json").read_text())["backbone"]
    assert (backbone["name"], backbone["revision"]) == (NAME, COMMITS["v1"])
    fetched = [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]
    assert len(fetched) == len(set(fetched))
    assert any(path.endswith("model.safetensors") for path in fetched)
    hub.requests.clear()
    again = train("--revision", COMMITS["v1"], "--offline")
    assert again.returncode == 0, again.stderr
    assert hub.requests == []


def test_a_broken_download_goes_on_where_it_stopped(
    hub: Hub, reviews: Path, environment: dict[str, str], trifold_command: Command
) -> None:
    hub.folder, hub.cuts = locate("minilm").folder, 2
    done = trifold_command("check", reviews, "--model", NAME, env=environment)
    assert done.returncode == 0, done.stderr
    parts = [part for method, path, part in hub.requests if method == "GET" and path.endswith("model.safetensors")]
    # The hub's client writes 10 MiB at a time; what it has not written yet is fetched again.
    assert parts == [None, f"bytes={10 << 20}-", f"bytes={20 << 20}-"]


def test_a_download_that_breaks_again_and_again_says_so_and_keeps_what_had_arrived(
    hub: Hub, reviews: Path, environment: dict[str, str], trifold_command: Command
) -> None:
    hub.cuts, hub.cut_after = 100, 1_000
    broken = trifold_command("check", reviews, "--model", NAME, env=environment)
    assert broken.returncode == 2
    assert f"the download of {NAME} broke off" in broken.stderr
    assert "Traceback" not in broken.stderr
    hub.cuts = 0
    hub.requests.clear()
    assert trifold_command("check", reviews, "--model", NAME, env=environment).returncode == 0
    fetched = [path.rsplit("/", 1)[1] for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]
    assert fetched == ["model.safetensors"]


def test_a_gguf_file_of_a_repository_is_downloaded_and_converted(
    hub: Hub, environment: dict[str, str], tmp_path: Path, trifold_command: Command
) -> None:
    hub.folder = tmp_path / "repository"
    hub.folder.mkdir()
    write_gguf(hub.folder / "tiny-q8_0.gguf")
    (hub.folder / "README.md").write_text("a model")
    own = {**environment, "TRIFOLD_CACHE": str(tmp_path / "kept")}
    flags = ("the film", "--max-new-tokens", "3")
    done = trifold_command("generate", NAME, *flags, env=own)
    assert done.returncode == 0, done.stderr
    assert "tiny-q8_0.gguf is converted once" in done.stderr
    hub.requests.clear()
    again = trifold_command("generate", NAME, *flags, "--offline", env=own)
    assert (again.returncode, again.stdout) == (0, done.stdout), again.stderr
    assert "converted" not in again.stderr
    assert hub.requests == []
    write_gguf(hub.folder / "tiny-f16.gguf", seed=1)
    both = trifold_command("generate", NAME, *flags, env={**own, "HF_HOME": str(tmp_path / "other")})
    assert both.returncode == 2
    assert (
        f"{NAME} holds 2 GGUF files (tiny-f16.gguf, tiny-q8_0.gguf): name one, as {NAME}/tiny-f16.gguf" in both.stderr
    )
    one = trifold_command("generate", f"{NAME}/tiny-f16.gguf", *flags, env=own)
    assert one.returncode == 0, one.stderr


def test_a_gated_model_wants_a_token_and_takes_it_from_the_environment(hub: Hub, train: Command) -> None:
    hub.token = "hf_secret"
    refused = train()
    assert refused.returncode == 2
    assert NAME in refused.stderr
    assert "Traceback" not in refused.stderr
    taken = train(HF_TOKEN="hf_secret")
    assert taken.returncode == 0, taken.stderr
    assert "hf_secret" not in taken.stderr + taken.stdout


def test_what_is_not_there_is_told_in_a_sentence(hub: Hub, train: Command) -> None:
    wrong = train("--revision", "v9")
    assert wrong.returncode == 2
    assert "cannot be loaded" in wrong.stderr
    offline = train("--offline")
    assert offline.returncode == 2
    assert "offline, and it is not in the local cache; use minilm" in offline.stderr
    hub.address = ""
    gone = train(HF_ENDPOINT="http://127.0.0.1:9")
    assert gone.returncode == 2
    assert "the hub cannot be reached" in gone.stderr


def test_a_data_set_comes_from_the_hub_with_its_class_names(
    hub: Hub, environment: dict[str, str], tmp_path: Path, trifold_command: Command
) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
    )
    hub.folder, hub.kind = tmp_path / "repository", "datasets"
    hub.folder.mkdir()
    for part, rows in (("train", 60), ("test", 20)):
        columns = {
            "text": [f"{'good' if i % 2 else 'bad'} film {i} {part}" for i in range(rows)],
            "label": [i % 2 for i in range(rows)],
        }
        made = datasets.Dataset.from_dict(columns, features=features)
        made.to_parquet(hub.folder / f"{part}-00000-of-00001.parquet")
    flags = ("--method", "tfidf", "--test-file", f"hf:{NAME}:test")
    first, again = tmp_path / "first", tmp_path / "again"
    done = trifold_command("finetune", f"hf:{NAME}", *flags, "--output-dir", first, env=environment)
    assert done.returncode == 0, done.stderr
    facts = json.loads((first / "run.json").read_text())
    assert facts["labels"] == ["negative", "positive"]
    assert facts["data"]["parts"] == {"training": 48, "validation": 12, "test": 20}
    assert facts["data"]["path"] == f"hf:{NAME}"
    hub.requests.clear()
    done = trifold_command("finetune", f"hf:{NAME}", *flags, "--offline", "--output-dir", again, env=environment)
    assert done.returncode == 0, done.stderr
    assert hub.requests == []
    assert json.loads((again / "run.json").read_text())["data"]["sha256"] == facts["data"]["sha256"]
    missing = trifold_command("check", f"hf:{NAME}:nonsense", env=environment)
    assert missing.returncode == 2
    assert "hf:NAME:SPLIT" in missing.stderr
    assert "Traceback" not in missing.stderr
