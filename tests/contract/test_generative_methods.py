"""One suite over the methods that learn to write: what they promise, and that no leaderboard of labels meets them."""

from dataclasses import replace
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.data.settings import DataSettings
from trifold.errors import ArtifactError, BackboneError, SettingsError
from trifold.evaluate.results import read_result
from trifold.evaluate.settings import CompareSettings
from trifold.methods import METHODS
from trifold.methods.catalogue import ALL_METHODS, GENERATIVE, generative_entry, method_entry
from trifold.methods.contract import Method
from trifold.methods.generative import FittedDecoder, GenerativeMethod
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.compare import compare
from trifold.pipeline.generative_finetuning import learn_answers
from trifold.pipeline.request import Request
from trifold.pretrain.settings import TaskSettings
from trifold.train.settings import CheckpointSettings, TrainSettings
from trifold.types import Examples

ANIMALS = ("cat", "cow", "dog", "hen")


def settings_for(model: Path, epochs: int = 3, **backbone: object) -> MethodSettings:
    chosen = BackboneSettings(model=str(model), device="cpu", offline=True, precision="float32", **backbone)  # type: ignore[arg-type]
    return MethodSettings(backbone=chosen, train=TrainSettings(epochs=epochs, learning_rate=1e-2))


def examples(rows: int, first: int = 0) -> Examples:
    numbers = range(first, first + rows)
    prompts = [f"{number} {ANIMALS[number % 4]}" for number in numbers]
    return Examples(tuple(numbers), tuple(prompts), tuple(ANIMALS[number % 4].upper() for number in numbers))


@pytest.fixture(scope="module", params=GENERATIVE)
def learned(request: pytest.FixtureRequest, decoder: Path) -> tuple[GenerativeMethod, FittedDecoder]:
    method = generative_entry(request.param).load()(settings_for(decoder, max_length=32))
    return method, method.fit(examples(40), examples(10, 40))


def test_it_learns_and_says_what_it_learned(learned: tuple[GenerativeMethod, FittedDecoder]) -> None:
    method, fitted = learned
    losses = [row.validation_loss for row in fitted.history.rows if row.validation_loss is not None]
    assert losses[-1] < losses[0]
    weights = list(fitted.decoder.model.parameters())
    assert fitted.trainable_parameters == sum(one.numel() for one in weights if one.requires_grad)
    assert (fitted.trainable_parameters == sum(one.numel() for one in weights)) == (method.name == "full")
    assert fitted.choices["epochs"] == 3
    assert fitted.choices["precision"] == "float32"
    assert fitted.truncated == 0


def test_saved_and_reloaded_it_gives_the_same_answers(
    learned: tuple[GenerativeMethod, FittedDecoder], tmp_path: Path
) -> None:
    method, fitted = learned
    method.save(fitted.decoder, tmp_path)
    again, held = method.reload(tmp_path), examples(8, 60)
    assert again.measure(held).loss == pytest.approx(fitted.decoder.measure(held).loss, abs=1e-5)
    assert again.answer(held.texts) == fitted.decoder.answer(held.texts)


def test_what_is_too_long_is_counted(decoder: Path) -> None:
    method = generative_entry("full").load()(settings_for(decoder, epochs=1, max_length=4))
    assert method.fit(examples(12), examples(4, 12)).truncated == 16


@pytest.mark.parametrize("name", GENERATIVE)
def test_an_encoder_and_too_long_texts_are_refused(name: str, tiny_model: Path, decoder: Path) -> None:
    kind = generative_entry(name).load()
    with pytest.raises(BackboneError, match="reads text and does not write it: name a decoder"):
        kind(settings_for(tiny_model)).backbone()
    with pytest.raises(BackboneError, match=r"reads at most .* tokens: use --max-length"):
        kind(settings_for(decoder, max_length=100_000)).backbone()


def test_other_methods_are_refused_and_those_that_write_are_named() -> None:
    for name in set(ALL_METHODS) - set(GENERATIVE):
        with pytest.raises(SettingsError, match=f"--method {name} cannot learn to write: give full or adapter-lora"):
            generative_entry(name)
    with pytest.raises(SettingsError, match="there is no method 'nothing'"):
        generative_entry("nothing")
    assert generative_entry("adapter") == GENERATIVE["adapter-lora"]


def test_a_leaderboard_holds_methods_that_give_labels_alone(decoder: Path, tmp_path: Path) -> None:
    assert all(issubclass(method_entry(name).load(), Method) for name in METHODS)
    data = write_reviews(tmp_path / "data.csv", rows=40)
    backbone = settings_for(decoder, max_length=32).backbone
    reading = DataSettings(text_column="text")
    request = Request(data, reading=reading, backbone=backbone, train=TrainSettings(epochs=1))
    to_answer = replace(request, reading=replace(reading, task="generate"))
    task = TaskSettings(target_column="label")
    run = learn_answers(to_answer, task, "full", tmp_path / "results" / "full")
    with pytest.raises(ArtifactError, match="not that of a classifier"):
        read_result(run.folder)
    # A comparison that meets such a run under a method's name refuses it, and takes no figure from it.
    with pytest.raises(SettingsError, match="method was full to generate and is full"):
        compare(request, CompareSettings(methods="full"), tmp_path / "results", resume=True)
    (run.folder / "loss.png").unlink()
    same = learn_answers(to_answer, task, "full", run.folder, CheckpointSettings(resume=True))
    assert same.metrics == run.metrics
    assert (run.folder / "loss.png").is_file()
    other = TaskSettings(target_column="text")
    with pytest.raises(SettingsError, match="target_column was label and is text"):
        learn_answers(to_answer, other, "full", run.folder, CheckpointSettings(resume=True))
