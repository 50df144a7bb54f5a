"""A run as others get it: whole, of every method, and without texts and names of this machine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import several_labels
from scripted_server import Reply, scripted
from trifold import TextClassifier
from trifold.artifact.manifest import verify_model
from trifold.errors import ArtifactError, SettingsError
from trifold.evaluate.hub_card import hub_card
from trifold.inference.run import load_run
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.shared_run import SharedRun, shared_run

CPU = ComputeSettings(device="cpu", precision="float32")


def card(own: str | None, record: dict[str, Any], metrics: dict[str, Any] | None) -> str:
    return hub_card(own, record, metrics, repo="alice/film", licence="mit", with_texts=False)


def write(shared: SharedRun, folder: Path) -> Path:
    """What somebody else has of it."""
    for file in shared.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content if isinstance(file.content, bytes) else file.content.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("tfidf", {}),
        ("features", {"head": "logistic"}),
        ("zero-shot", {}),
        ("adapter-lora", {"epochs": 1}),
        ("adapter-bottleneck", {"epochs": 1}),
        ("full", {"epochs": 1}),
        ("contrastive", {"epochs": 1}),
    ],
)
def test_what_others_get_answers_as_the_run_does(
    method: str, options: dict[str, Any], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(text, "praise" if "praise" in labels else "other") for text, labels in several_labels(60)]
    texts, labels = map(list, zip(*rows, strict=True))
    named = {} if method == "tfidf" else {"model": str(tiny_model), "device": "cpu", "precision": "float32"}
    made = TextClassifier(method, **named, **options).fit(texts, labels)
    run = tmp_path / "run"
    made.save(run)
    theirs = write(shared_run(run, card, with_texts=False), tmp_path / "theirs")
    verify_model(theirs)
    for path in theirs.rglob("*.json"):
        assert str(tiny_model.parent) not in path.read_text(encoding="utf-8"), path
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path
    # A backbone in a folder is found again by the folder's own name, where there is one, and its hash is compared.
    monkeypatch.chdir(tiny_model.parent)
    expected = load_run(run, CPU).predictor.score(texts).logits
    np.testing.assert_allclose(load_run(theirs, CPU).predictor.score(texts).logits, expected, atol=1e-5)


def test_labels_and_words_that_look_like_places_stay_what_they_are(tmp_path: Path) -> None:
    texts, labels = ["a /home/b film", "the /root of it"] * 10, ["/r/films", "sci/tech"] * 10
    made = TextClassifier("tfidf").fit(texts, labels)
    made.save(tmp_path / "run")
    theirs = write(shared_run(tmp_path / "run", card, with_texts=False), tmp_path / "theirs")
    assert json.loads((theirs / "run.json").read_text())["labels"] == ["/r/films", "sci/tech"]
    assert list(load_run(theirs).predictor.labels.names) == ["/r/films", "sci/tech"]


def test_a_card_of_ones_own_is_kept_and_its_licence_is_enough(tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(["good film", "bad film"] * 10, ["a", "b"] * 10).save(tmp_path / "run")
    (tmp_path / "run" / "README.md").write_text("---\nlicense: cc-by-4.0\nlanguage: en\n---\n\n# Mine\n\nOf films.\n")

    def own(text: str | None, record: dict[str, Any], metrics: dict[str, Any] | None) -> str:
        return hub_card(text, record, metrics, repo="alice/film", licence=None, with_texts=False)

    files = {file.name: file.content for file in shared_run(tmp_path / "run", own, with_texts=False).files}
    text = files["README.md"]
    assert isinstance(text, bytes)
    assert b"license: cc-by-4.0" in text
    assert text.endswith(b"# Mine\n\nOf films.\n")
    (tmp_path / "run" / "README.md").write_text("---\nlicense: [\n---\n# Mine\n")
    with pytest.raises(ArtifactError, match=r"the head of README\.md is no YAML that can be read"):
        shared_run(tmp_path / "run", own, with_texts=False)
    (tmp_path / "run" / "README.md").unlink()
    with pytest.raises(SettingsError, match="nobody may use what has no licence: give one with --license"):
        shared_run(tmp_path / "run", own, with_texts=False)


def test_a_damaged_run_is_not_shared(tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(["good film", "bad film"] * 10, ["a", "b"] * 10).save(tmp_path / "run")
    (tmp_path / "run" / "model" / "head.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"head\.json is damaged"):
        shared_run(tmp_path / "run", card, with_texts=False)


def test_a_run_that_asks_a_server_names_neither_server_nor_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-my-own-key-0123456789")
    texts, labels = [f"{word} film" for word in "abcdefghij"], ["good", "bad"] * 5
    with scripted(lambda *_: Reply("good")) as server:
        made = TextClassifier("prompt", llm=server.llm, api_key_env="MY_KEY", log=tmp_path / "log.sqlite")
        made.fit(texts, labels).save(tmp_path / "run")
        facts = json.loads((tmp_path / "run" / "run.json").read_text())
        # As a run may say that comes from elsewhere.
        facts["settings"] |= {"llm": server.llm, "api_key_env": "MY_KEY"}
        facts["command"] = f"trifold finetune x.csv --llm {server.llm}"
        (tmp_path / "run" / "run.json").write_text(json.dumps(facts))
        theirs = write(shared_run(tmp_path / "run", card, with_texts=False), tmp_path / "theirs")
        address = server.llm.removeprefix("openai:").partition("#")[0]
        for path in theirs.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(one.encode() in content for one in (address, "MY_KEY", "sk-my-own")), path
        found = load_run(theirs, CPU, LlmSettings(llm=server.llm, api_key_env="MY_KEY", log=tmp_path / "log.sqlite"))
        assert found.predictor.score(["a film"]).logits.argmax() == list(found.predictor.labels.names).index("good")


def test_examples_of_a_prompt_are_texts(tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(["good film", "bad film"] * 10, ["a", "b"] * 10).save(tmp_path / "run")
    prompt = {"prompt": "", "shots": [[{"text": "a secret"}, "a"]]}
    (tmp_path / "run" / "model" / "prompt.json").write_text(json.dumps(prompt))
    from trifold.artifact.manifest import write_manifest

    write_manifest(tmp_path / "run")
    with pytest.raises(SettingsError, match="shows 1 of your texts as examples, and is another one without"):
        shared_run(tmp_path / "run", card, with_texts=False)
    assert "model/prompt.json" in {file.name for file in shared_run(tmp_path / "run", card, with_texts=True).files}
