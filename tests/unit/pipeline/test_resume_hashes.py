"""A run is the same as another only if all that decides on it is: for each method, what it uses."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.events import Event, Message, sending_to
from trifold.models.settings import BackboneSettings
from trifold.pipeline.generative_finetuning import learn_answers
from trifold.pipeline.pretrain import pretrain
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pipeline.request import Request
from trifold.pipeline.resume import asked_for
from trifold.pretrain.settings import ScratchSettings, TaskSettings


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


@dataclass
class Touching:
    """Adds a row to a file when a message is said that holds some words, as another program might at that moment."""

    data: Path
    words: str

    def send(self, event: Event) -> None:
        if isinstance(event, Message) and self.words in event.text:
            self.data.write_text(self.data.read_text() + "another,good\n")


def test_data_that_change_while_they_are_read_are_refused(tmp_path: Path, decoder: Path) -> None:
    data = write_reviews(tmp_path / "some.csv")
    data.write_text(data.read_text() + ",good\n")
    request = Request(
        data,
        reading=DataSettings(text_column="text", task="generate"),
        backbone=BackboneSettings(model=str(decoder), max_length=32),
    )
    task = TaskSettings(target_column="label")
    refused = pytest.raises(DataError, match="was changed while it was being read")
    with sending_to(Touching(data, "rows cannot be used")), refused:
        learn_answers(request, task, "adapter-lora", tmp_path / "run")
    scratch = ScratchSettings(from_scratch=True, vocab_size=300, layers=1, hidden_size=32, heads=2)
    learning = PretrainRequest((data,), "clm", scratch=scratch)
    with sending_to(Touching(data, "training a bpe tokenizer")), refused:
        pretrain(learning, tmp_path / "made")
