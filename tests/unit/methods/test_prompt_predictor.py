"""A prompted run that comes from someone else: whom it asks is its user's to say, each time."""

import json
import shutil
from pathlib import Path

import pytest

from conftest import write_reviews
from scripted_server import Reply, Scripted, scripted
from trifold.artifact.manifest import write_manifest
from trifold.classifier import TextClassifier
from trifold.data.settings import LabelledSettings
from trifold.errors import ArtifactError, LlmError, SettingsError, TrifoldError
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.bench import bench
from trifold.pipeline.evaluate import evaluate
from trifold.pipeline.export import export
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

SECRET = "sk-of-something-else-0123456789"
TEXTS = [f"{word} one" for word in ("fine", "poor", "nice", "ugly", "kind", "rude", "warm", "cold", "neat", "dull")]
LABELS = ["good", "bad"] * 5
WAY_OUT = (
    "asks a server for the model scripted, and a run folder may not say which server gets the texts: give (--)?llm"
)


def strangers_run(server: Scripted, folder: Path) -> Path:
    """A run that names its own server, a variable that is none of its business, and a file of someone else's."""
    fitted = TextClassifier("prompt", llm=server.llm, log=folder.parent / "made.sqlite").fit(TEXTS, LABELS)
    fitted.save(folder)
    state = folder / "model" / "head.json"
    named = {"llm": server.llm, "api_key_env": "OTHER_SECRET", "log": str(folder.parent / "victim")}
    state.write_text(json.dumps({**json.loads(state.read_text()), **named}))
    facts = json.loads((folder / "run.json").read_text())
    facts["settings"] |= {"llm": server.llm, "api_key_env": "OTHER_SECRET", "report_to": "wandb"}
    (folder / "run.json").write_text(json.dumps(facts))
    write_manifest(folder)
    return folder


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SECRET", SECRET)
    monkeypatch.setenv("MY_KEY", "sk-my-own-key-0123456789")


def test_no_use_of_a_run_asks_a_server_that_was_not_named(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True)))
    with scripted(lambda *_: Reply("good")) as server:
        run = strangers_run(server, tmp_path / "run")
        for use in (
            lambda: load_run(run),
            lambda: evaluate(run, rows, LabelledSettings(), ComputeSettings()),
            lambda: TextClassifier.load(run),
            lambda: load_run(run, llm=LlmSettings(llm="hf:somewhere")),
        ):
            with pytest.raises(LlmError, match=WAY_OUT):
                use()
        for refused in (lambda: export(run, tmp_path / "exported"), lambda: bench(run, rows, 1.0)):
            with pytest.raises(SettingsError, match="there is no model here to measure or to export"):
                refused()
        assert server.requests == []


def test_a_named_server_is_asked_with_the_named_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    with scripted(lambda *_: Reply("good")) as wanted, scripted(lambda *_: Reply("good")) as named:
        run = strangers_run(named, tmp_path / "run")
        mine = LlmSettings(llm=wanted.llm, api_key_env="MY_KEY", log=tmp_path / "mine.sqlite")
        loaded = load_run(run, llm=mine)
        assert [one.label for one in predict_texts(loaded.predictor, ["a text"])] == ["good"]
        again = TextClassifier.load(run, llm=wanted.llm, api_key_env="MY_KEY")
        assert again.predict(["another"]).tolist() == ["good"]
        assert (again.llm, again.api_key_env, again.report_to) == (wanted.llm, "MY_KEY", "none")
        assert named.requests == []
        assert {sent["authorization"] for sent in wanted.headers} == {"Bearer sk-my-own-key-0123456789"}
    assert f"asking scripted at {wanted.url[:-3]}, with the key in MY_KEY" in capsys.readouterr().err
    assert victim.read_bytes() == b"", "a run says nowhere what is written to"


def test_another_model_than_the_runs_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        run = strangers_run(server, tmp_path / "run")
        load_run(run, llm=LlmSettings(llm=f"openai:{server.url}#other"))
    assert "the run was made with the model scripted: its figures are of that, not of other" in capsys.readouterr().err


def test_what_is_saved_names_neither_server_nor_key_nor_log(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        classifier = TextClassifier("prompt", llm=server.llm, api_key_env="MY_KEY", log=tmp_path / "log.sqlite")
        classifier.fit(TEXTS, LABELS).save(tmp_path / "run")
        for path in tmp_path.joinpath("run").rglob("*"):
            found = path.read_bytes() if path.is_file() else b""
            assert not any(name in found for name in (server.url.encode(), b"MY_KEY", b"log.sqlite")), path


def test_weights_without_a_hash_are_not_looked_for(tmp_path: Path) -> None:
    """As a run that names a model of the hub, which would be fetched and believed."""
    with scripted(lambda *_: Reply("good")) as server:
        run = strangers_run(server, tmp_path / "run")
    state = run / "model" / "head.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "llm": "hf:nobody/anything"}))
    write_manifest(run)
    with pytest.raises(LlmError, match="give --llm openai:"):
        load_run(run)


@pytest.mark.parametrize(
    "change",
    [
        {"votes": "many"},
        {"votes": 10**9},
        {"words": ["good"]},
        {"cloze": "{text}"},
        {"llm": None, "words": 3},
        {"max_tokens": "x"},
        {"labels": 3},
    ],
)
def test_a_damaged_state_is_said(change: dict[str, object], tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        run = strangers_run(server, tmp_path / "run")
        state = run / "model" / "head.json"
        state.write_text(json.dumps({**json.loads(state.read_text()), **change}))
        write_manifest(run)
        with pytest.raises((ArtifactError, LlmError)):
            load_run(run, llm=LlmSettings(llm=server.llm))


def test_flags_of_a_language_model_go_with_a_run_that_asks_one(tmp_path: Path) -> None:
    TextClassifier("tfidf").fit(TEXTS * 5, LABELS * 5).save(tmp_path / "run")
    with pytest.raises(SettingsError, match="is a run of tfidf, which asks no language model: leave out its flags"):
        load_run(tmp_path / "run", llm=LlmSettings(llm="openai:http://127.0.0.1:9/v1#m"))


def test_weights_here_are_found_by_the_run_and_where_they_moved_to(decoder: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(decoder, tmp_path / "weights")
    log = tmp_path / "log"
    TextClassifier("prompt", llm=f"hf:{weights}", log=log).fit(TEXTS, LABELS).save(tmp_path / "run")
    before = predict_texts(load_run(tmp_path / "run").predictor, ["The film is superb"])
    moved = weights.rename(tmp_path / "moved")
    with pytest.raises(TrifoldError, match=r"give a folder with a model"):
        load_run(tmp_path / "run")
    again = load_run(tmp_path / "run", llm=LlmSettings(llm=f"hf:{moved}", log=log))
    # What was kept of earlier prompts changes the order of operations, and so the last digits.
    (first,), (second,) = before, predict_texts(again.predictor, ["The film is superb"])
    assert second.probabilities == pytest.approx(first.probabilities, abs=1e-6)
    with pytest.raises(LlmError, match="was made with weights on this machine: leave out --llm, or name them"):
        load_run(tmp_path / "run", llm=LlmSettings(llm="openai:http://127.0.0.1:9/v1#m"))
    (moved / "model.safetensors").write_bytes((decoder / "model.safetensors").read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ArtifactError, match="are not those that"):
        load_run(tmp_path / "run", llm=LlmSettings(llm=f"hf:{moved}"))


def test_weights_of_the_hub_are_named_where_they_moved_to_without_their_revision(decoder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    TextClassifier("prompt", llm=f"hf:{decoder}", log=log).fit(TEXTS, LABELS).save(tmp_path / "run")
    state = tmp_path / "run" / "model" / "head.json"
    named = {"base": "someone/tiny", "base_revision": "a" * 40}
    state.write_text(json.dumps({**json.loads(state.read_text()), **named}))
    write_manifest(tmp_path / "run")
    loaded = load_run(tmp_path / "run", llm=LlmSettings(llm=f"hf:{decoder}", log=log))
    assert {one.label for one in predict_texts(loaded.predictor, TEXTS[:2])} <= set(LABELS)


def test_a_mistake_of_the_user_is_not_called_damage(
    decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TextClassifier("prompt", llm=f"hf:{decoder}", log=tmp_path / "log").fit(TEXTS, LABELS).save(tmp_path / "run")

    def refuse(*_: object, **__: object) -> None:
        raise SettingsError("--llm is not allowed: give another")

    monkeypatch.setattr("trifold.methods.prompt_predictor.find_base", refuse)
    with pytest.raises(SettingsError, match="--llm is not allowed: give another"):
        load_run(tmp_path / "run", llm=LlmSettings(llm=f"hf:{decoder}"))


def test_a_trained_run_names_neither_server_nor_key_anywhere(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "some.csv", rows=40)
    with scripted(lambda *_: Reply("good")) as server:
        llm = LlmSettings(llm=server.llm, api_key_env="MY_KEY", log=tmp_path / "log")
        run = finetune(Request(data, llm=llm), "prompt", tmp_path / "run").folder
    told = [path for path in run.rglob("*") if path.suffix in (".json", ".md", ".html")]
    assert len(told) > 3
    for path in told:
        assert server.llm.partition("#")[0] not in path.read_text()
        assert "MY_KEY" not in path.read_text()
    assert "scripted" in (run / "README.md").read_text()


def test_an_example_that_lacks_a_variable_is_damage(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        settings = {"llm": server.llm, "log": tmp_path / "log", "shots": 2}
        TextClassifier("prompt", **settings).fit(TEXTS, LABELS).save(tmp_path / "run")
        kept = tmp_path / "run" / "model" / "prompt.json"
        said = json.loads(kept.read_text())
        said["shots"][0][0] = {"other": "text"}
        kept.write_text(json.dumps(said))
        write_manifest(tmp_path / "run")
        with pytest.raises(ArtifactError, match="missing or damaged"):
            load_run(tmp_path / "run", llm=LlmSettings(llm=server.llm))
