"""A run is the same as another only if all that decides on it is: for each method, what it uses."""

import shutil
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.models.settings import BackboneSettings
from trifold.pipeline import generative_finetuning as answer
from trifold.pipeline import pretrain
from trifold.pipeline.generative_finetuning import learn_answers
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pipeline.request import Request
from trifold.pipeline.resume import asked_for
from trifold.pretrain.settings import SourceSettings, TaskSettings


def test_a_model_that_a_method_does_not_use_has_no_say(tmp_path: Path, tiny_model: Path) -> None:
    request = Request(write_reviews(tmp_path / "some.csv"), backbone=BackboneSettings(model=str(tiny_model)))
    assert asked_for(request, "tfidf") == asked_for(request.for_method("tfidf"), "tfidf")
    assert asked_for(request, "features")["model_sha256"]


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
@pytest.mark.parametrize("inside", [".", "model"])
def test_every_file_of_a_model_tells_it_from_another(name: str, inside: str, tmp_path: Path, tiny_model: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "run" / inside, dirs_exist_ok=True)
    request = Request(write_reviews(tmp_path / "some.csv"), backbone=BackboneSettings(model=str(tmp_path / "run")))
    before = asked_for(request, "features")
    (model / name).write_text((model / name).read_text() + "\n")
    assert asked_for(request, "features") != before


def test_data_that_change_while_they_are_read_are_refused(
    tmp_path: Path, decoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_reviews(tmp_path / "some.csv")

    def touched(read):  # type: ignore[no-untyped-def]
        def then(*given: object) -> object:
            found = read(*given)
            data.write_text(data.read_text() + "another,good\n")
            return found

        return then

    monkeypatch.setattr(answer, "_split", touched(answer._split))
    request = Request(
        data,
        reading=DataSettings(text_column="text"),
        backbone=BackboneSettings(model=str(decoder), max_length=32),
    )
    with pytest.raises(DataError, match="was changed while it was being read"):
        learn_answers(request, TaskSettings(task="generate", target_column="label"), "adapter-lora", tmp_path / "run")
    monkeypatch.setattr(pretrain, "read_text", touched(pretrain.read_text))
    learning = PretrainRequest((data,), "clm", source=SourceSettings(model=str(decoder)))
    with pytest.raises(DataError, match="was changed while it was being read"):
        pretrain.pretrain(learning, tmp_path / "made")
