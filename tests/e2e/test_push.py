"""`push` against a stand-in of the hub on this machine, and what was pushed in every command that takes a run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import write_reviews
from hub_server import NAME, USER, WRITER, Hub, Repository, serving
from warm_commands import WarmCommands

TEXT = "The film is superb, the plot moving"
DATA = "patients-of-the-clinic.csv"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def hub(tiny_model: Path) -> Iterator[Hub]:
    with serving(tiny_model) as made:
        yield made


@pytest.fixture(scope="module")
def trifold(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a command with the stand-in as the hub, an empty cache and a token that may write."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    cache, home = (tmp_path_factory.mktemp(name) for name in ("hub-cache", "home"))
    given = {"HF_ENDPOINT": hub.address, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "HOME": str(home)}
    warm = WarmCommands(environment={**kept, **given})

    def run(*words: object, token: str | None = WRITER, cwd: Path | None = None, **variables: str) -> Any:
        env = variables if token is None else {"HF_TOKEN": token, **variables}
        return warm.run(list(map(str, words)), cwd or home, env=env)

    yield run
    warm.close()


@pytest.fixture(scope="module")
def run(trifold: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head on a model of the hub, learned from a file whose name says something."""
    place = tmp_path_factory.mktemp("private-place")
    write_reviews(place / DATA)
    done = trifold(
        *("finetune", place / DATA, "--method", "features", "--head", "logistic", "--model", NAME),
        *("--output-dir", place / "run"),
    )
    assert done.returncode == 0, done.stderr
    return place / "run"


@pytest.fixture(scope="module")
def pushed(hub: Hub, trifold: Run, run: Path) -> Repository:
    done = trifold("push", run, "films", "--license", "mit")
    assert done.returncode == 0, done.stderr
    return hub.repositories[f"{USER}/films"]


def test_what_would_be_published_is_shown_without_a_connection(hub: Hub, trifold: Run, run: Path) -> None:
    hub.requests.clear()
    done = trifold("push", run, "alice/films", "--license", "mit", "--dry-run", token=None)
    assert done.returncode == 0, done.stderr
    assert hub.requests == []
    shown = done.stdout.splitlines()
    assert shown[0].split() == ["file", "bytes"]
    assert "not errors.csv: it tells of your texts" in shown
    assert "not report.html: it tells of your texts" in shown
    assert shown[-1] == "Nothing was published: these files would go to alice/films, as private."
    found = json.loads(trifold("push", run, "alice/films", "--license", "mit", "--dry-run", "--json").stdout)
    names = {file["name"] for file in found["files"]}
    assert {"README.md", "manifest.json", "run.json", "metrics.json", "model/head.safetensors"} <= names
    assert found["published"] is None
    sizes = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in shown[1 : len(names) + 1]}
    assert sizes == {file["name"]: file["bytes"] for file in found["files"]}


def test_one_commit_holds_all_and_neither_texts_nor_names_of_this_machine(
    hub: Hub, pushed: Repository, run: Path
) -> None:
    assert pushed.private
    assert len(pushed.commits) == 2  # the hub makes the first one
    text = b"\n".join(content for name, content in pushed.files.items() if not name.endswith((".png", ".npy")))
    for secret in (str(run.parent), "private-place", "patients", WRITER, "superb, the", "number 7 in"):
        assert secret.encode() not in text, secret
    left_out = {"predictions.csv", "errors.csv", "report.html", "learned_texts.npy", "explanations.json"}
    assert not left_out & pushed.files.keys()
    facts = json.loads(pushed.files["run.json"])
    kept = json.loads((run / "run.json").read_text())
    assert facts["data"]["path"] == "data"
    assert facts["data"]["sha256"] == kept["data"]["sha256"]
    assert facts["command"].startswith("trifold finetune data --method features")
    assert facts["labels"] == kept["labels"]


def test_the_card_names_licence_backbone_data_and_results(pushed: Repository, run: Path) -> None:
    head = yaml.safe_load(pushed.files["README.md"].decode().split("---")[1])
    kept = json.loads((run / "run.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert (head["license"], head["base_model"], head["library_name"]) == ("mit", NAME, "trifold")
    (result,) = head["model-index"][0]["results"]
    assert result["task"]["type"] == "text-classification"
    assert result["dataset"]["args"] == {"rows": metrics["rows"], "sha256": kept["data"]["sha256"]}
    values = {one["name"]: one for one in result["metrics"]}
    assert values["accuracy"]["value"] == pytest.approx(metrics["accuracy"]["value"], abs=1e-6)
    assert values["accuracy"]["args"]["low"] == pytest.approx(metrics["accuracy"]["low"], abs=1e-6)
    assert values["macro-F1"]["type"] == "f1"
    card = pushed.files["README.md"].decode()
    assert "trifold predict alice/films --text" in card
    assert 'TextClassifier.load("alice/films")' in card
    assert "THIS_FOLDER" not in card
    assert "errors.csv" not in card


def test_what_was_pushed_is_used_by_its_name_and_then_without_a_connection(
    hub: Hub, trifold: Run, run: Path, pushed: Repository, tmp_path: Path
) -> None:
    wanted = json.loads(trifold("predict", run, "--text", TEXT, "--json").stdout)
    first = trifold("predict", "alice/films", "--text", TEXT, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == wanted
    assert f"note: alice/films is fetched from {hub.address}, and kept" in first.stderr
    hub.requests.clear()
    again = trifold("predict", "alice/films", "--text", TEXT, "--json", token=None)
    assert (again.returncode, json.loads(again.stdout)) == (0, wanted)
    offline = trifold("predict", "alice/films", "--text", TEXT, "--json", "--offline", token=None)
    assert (offline.returncode, json.loads(offline.stdout)) == (0, wanted)
    assert hub.requests == []


def test_every_command_that_takes_a_run_takes_its_name(trifold: Run, pushed: Repository, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "fresh.csv", 60, seed=3)
    evaluated = trifold("evaluate", "alice/films", data, "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["accuracy"]["value"] > 0.9
    explained = trifold("explain", "alice/films", "--text", TEXT, "--json")
    assert explained.returncode == 0, explained.stderr
    embedded = trifold("embed", "alice/films", "--text", TEXT)
    assert (embedded.returncode, len(json.loads(embedded.stdout))) == (0, 32), embedded.stderr
    exported = trifold("export", "alice/films", "--data", data, "--output-dir", tmp_path / "small")
    assert exported.returncode == 0, exported.stderr
    # And an export, in its turn, can be published and used.
    done = trifold("push", tmp_path / "small", "small-films", "--license", "mit", "--public")
    assert done.returncode == 0, done.stderr
    assert "PUBLIC, at commit" in done.stdout
    used = trifold("predict", "alice/small-films", "--text", TEXT, "--json", token=None)
    assert json.loads(used.stdout)["label"] == "good", used.stderr


def test_python_loads_a_run_by_its_name_and_offline_publishes_nothing(
    hub: Hub, run: Path, pushed: Repository, tmp_path: Path
) -> None:
    program = (
        "from trifold import TextClassifier; print(TextClassifier.load('alice/films').predict(['a superb film']))\n"
        "import huggingface_hub.constants; huggingface_hub.constants.HF_HUB_OFFLINE = True\n"
        f"from trifold.cli.main import run; print(run(['push', {str(run)!r}, 'films', '--license', 'mit']))"
    )
    env = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_TOKEN": WRITER}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "['good']\n2\n", done.stderr
    assert "HF_HUB_OFFLINE is set, and publishing needs a connection: unset it, or see --dry-run" in done.stderr


def test_a_second_push_takes_the_place_of_the_first_on_its_branch(
    hub: Hub, trifold: Run, run: Path, tmp_path: Path
) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    small = tmp_path / "tfidf"
    assert trifold("finetune", data, "--method", "tfidf", "--output-dir", small).returncode == 0
    assert trifold("push", run, "twice", "--license", "mit").returncode == 0
    repository = hub.repositories["alice/twice"]
    before = repository.branches["main"]
    repository.commits[before]["LICENSE"] = b"of their own"
    done = trifold("push", small, "twice", "--license", "mit", "--branch", "words", "--message", "Words alone")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("next: trifold predict alice/twice@words ")
    assert repository.branches["main"] == before
    files = repository.commits[repository.branches["words"]]
    assert "model/vocabulary.json" in files
    assert "LICENSE" in files
    # Every file of the model is in the manifest of this push, and no file of the one before is left.
    listed = json.loads(files["manifest.json"])
    assert {name for name in files if name.startswith("model/")} == {n for n in listed if n.startswith("model/")}
    for name, label in (("alice/twice@words", "good"), ("hf:alice/twice", "good")):
        used = trifold("predict", name, "--text", TEXT, "--json")
        assert json.loads(used.stdout)["label"] == label, used.stderr
    commit = repository.branches["words"]
    pinned = trifold("predict", f"alice/twice@{commit}", "--text", TEXT, "--json", "--offline")
    assert pinned.returncode == 0, pinned.stderr


def test_texts_go_along_only_where_that_is_asked_for(hub: Hub, trifold: Run, run: Path) -> None:
    done = trifold("push", run, "with-texts", "--license", "mit", "--with-texts")
    assert done.returncode == 0, done.stderr
    files = hub.repositories["alice/with-texts"].files
    assert {"predictions.csv", "errors.csv", "report.html", "learned_texts.npy"} <= files.keys()
    assert str(run.parent).encode() not in files["report.html"]
    assert DATA.encode() not in files["report.html"]


@pytest.mark.parametrize(
    ("faults", "variables", "said"),
    [
        ({}, {"token": None}, "there is no token for http://127.0.0.1"),
        ({}, {"token": "hf_old"}, "does not accept the token: run hf auth login, or set HF_TOKEN"),
        ({"create": 403}, {}, "the token may not write to alice/new"),
        ({"preupload": 404}, {}, "knows no alice/new that you may write to"),
        ({"create": 409}, {}, "alice/new was changed by somebody else meanwhile"),
        ({"commit": 412}, {}, "alice/new was changed by somebody else meanwhile"),
        ({"commit": 500}, {}, "fails at the moment (500): try again later"),
        ({"commit": 0}, {}, "cannot be reached"),
        ({"/lfs/": 403}, {}, "the token may not write to alice/new"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_one_sentence_and_nothing_is_published(
    faults: dict[str, int], variables: dict[str, Any], said: str, hub: Hub, trifold: Run, run: Path
) -> None:
    hub.repositories.pop("alice/new", None)
    hub.large.clear()
    hub.faults = faults
    try:
        done = trifold("push", run, "alice/new", "--license", "mit", **variables)
    finally:
        hub.faults = {}
    assert done.returncode == 2, done.stdout
    (line,) = [one for one in done.stderr.splitlines() if not one.startswith("note: of its backbone")]
    assert said in line
    made = hub.repositories.get("alice/new")
    assert made is None or made.files.keys() == {".gitattributes"}
    assert (made is None) or "alice/new is new and empty" in line


def test_an_answer_that_gets_lost_is_not_taken_for_a_failure(hub: Hub, trifold: Run, run: Path) -> None:
    hub.loses_answers = True
    try:
        done = trifold("push", run, "alice/lost", "--license", "mit")
    finally:
        hub.loses_answers = False
    assert done.returncode == 2
    assert f"look at {hub.address}/alice/lost: it may be published all the same" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("RUN", "films"), "nobody may use what has no licence: give one with --license"),
        (("RUN", "a/b/c", "--license", "mit"), "the repository 'a/b/c' is not allowed: give USER/NAME"),
        (("RUN", "films", "--license", "wrong"), "does not take the card"),
        (("RUN", "bob/films", "--license", "mit"), "the token may not write to bob/films"),
        (("RUN", "alice/films", "--license", "mit", "--public"), "alice/films is private already, and stays so"),
        (("RUN", "alice/other", "--license", "mit"), "alice/other holds something else than a run (config.json)"),
        (("nowhere", "films", "--license", "mit"), "there is no run folder nowhere"),
    ],
    ids=str,
)
def test_what_cannot_be_published_is_refused(
    words: tuple[str, ...], said: str, hub: Hub, trifold: Run, run: Path, pushed: Repository
) -> None:
    other = hub.repositories.setdefault("alice/other", Repository(private=True))
    other.commit("main", {"config.json": b"{}"})
    done = trifold("push", *(str(run) if word == "RUN" else word for word in words))
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("alice/nothing", (), "there is no run folder alice/nothing, and http"),
        ("alice/nothing", ("--offline",), "and none of that name in the hub's local cache"),
        ("alice/films@v9", (), "alice/films has no revision v9"),
        (NAME, (), f"{NAME} on http"),
    ],
    ids=str,
)
def test_a_name_that_leads_to_no_run_is_told_in_a_sentence(
    name: str, flags: tuple[str, ...], said: str, trifold: Run, pushed: Repository
) -> None:
    done = trifold("predict", name, "--text", TEXT, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_was_changed_on_the_hub_is_not_opened(hub: Hub, trifold: Run, pushed: Repository) -> None:
    files = {**pushed.files, "model/head.json": pushed.files["model/head.json"].replace(b"good", b"bad ")}
    hub.repositories["alice/forged"] = Repository(private=False)
    hub.repositories["alice/forged"].commit("main", files)
    done = trifold("predict", "alice/forged", "--text", TEXT)
    assert done.returncode == 2
    assert "head.json is damaged, its SHA-256 is not the manifest's" in done.stderr


def test_a_mistyped_folder_is_asked_of_no_server(hub: Hub, trifold: Run, run: Path) -> None:
    hub.requests.clear()
    done = trifold("predict", f"{run.parent.name}/rum", "--text", TEXT, cwd=run.parent.parent)
    assert done.returncode == 2
    assert "there is no run folder" in done.stderr
    assert hub.requests == []


def test_a_language_model_and_a_model_of_the_hub_are_told_apart_by_name(hub: Hub, trifold: Run, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("the film is superb in number 7\nthe plot is dull in number 9\n" * 60)
    flags = ("--model", NAME, "--max-tokens", "2000", "--block-size", "32", "--output-dir", tmp_path / "domain")
    done = trifold("pretrain", lines, *flags)
    assert done.returncode == 0, done.stderr
    done = trifold("push", tmp_path / "domain", "domain", "--license", "apache-2.0")
    assert done.returncode == 0, done.stderr
    files = hub.repositories["alice/domain"].files
    assert b"samples" not in files["run.json"]
    assert str(tmp_path).encode() not in files["run.json"]
    assert yaml.safe_load(files["README.md"].decode().split("---")[1])["pipeline_tag"] == "fill-mask"
    filled = trifold("fill-mask", "alice/domain", "the film is [MASK]", "--json")
    assert filled.returncode == 0, filled.stderr
    data = write_reviews(tmp_path / "reviews.csv", 120)
    learned = trifold(
        *("finetune", data, "--method", "features", "--head", "logistic", "--model", "alice/domain"),
        *("--output-dir", tmp_path / "on-domain"),
    )
    assert learned.returncode == 0, learned.stderr
    backbone = json.loads((tmp_path / "on-domain" / "run.json").read_text())["backbone"]
    assert backbone["name"] == "alice/domain"
    assert backbone["revision"] == hub.repositories["alice/domain"].branches["main"]
    shutil.rmtree(tmp_path / "domain")
    used = trifold("predict", tmp_path / "on-domain", data, "--output", tmp_path / "labelled.csv")
    assert used.returncode == 0, used.stderr
    assert len((tmp_path / "labelled.csv").read_text().splitlines()) == 121
