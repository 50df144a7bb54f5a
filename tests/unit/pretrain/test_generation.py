"""Writing: a prompt is begun as a document is, what may become a stop is held back, what does not fit is refused."""

import logging
from typing import Any

import pytest
import torch

from trifold.errors import BackboneError, SettingsError
from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.generation import continue_end, continue_text
from trifold.pretrain.language_models import new_model
from trifold.pretrain.new_tokenizer import new_tokenizer
from trifold.pretrain.settings import CorpusSettings, ScratchSettings, WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, BackboneFiles]:
    text = tmp_path_factory.mktemp("text") / "a.txt"
    text.write_text("".join(f"{number} small waves and islands far away, said the keeper.\n" for number in range(300)))
    documents = Documents((text,), CorpusSettings())
    scratch = ScratchSettings(vocab_size=280, layers=1, hidden_size=16, heads=2)
    files = BackboneFiles(new_tokenizer(documents, str(request.param), scratch), "a new model", None)
    torch.manual_seed(0)
    return new_model(Vocabulary.of(files, "clm"), "clm", scratch, 32).eval(), files


def test_what_is_streamed_is_what_is_returned_without_the_stop(decoder: tuple[Any, BackboneFiles]) -> None:
    model, files = decoder
    free = continue_text(model, files, "waves", WritingSettings(max_new_tokens=20))[0].text
    middle = free[len(free) // 2 : len(free) // 2 + 3]
    shown: list[str] = []
    settings = WritingSettings(max_new_tokens=20, stop=(middle,))
    found = continue_text(model, files, "waves", settings, shown.append)[0]
    assert "".join(shown) == found.text == free[: free.index(middle)]
    assert found.stopped
    assert len(shown) > 1


def test_a_prompt_reads_as_the_beginning_of_a_document(decoder: tuple[Any, BackboneFiles]) -> None:
    model, files = decoder
    seen: list[list[int]] = []
    handle = model.transformer.wte.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0][0].tolist()))
    continue_text(model, files, "small waves", WritingSettings(max_new_tokens=1))
    handle.remove()
    known = Vocabulary.of(files, "clm")
    own = known.tokenizer.encode("small waves", add_special_tokens=False).ids
    assert seen[0] == [*known.before, *own], "nothing behind the prompt that would end it"


LONG = "small waves and islands " * 30


@pytest.mark.parametrize(
    ("prompt", "asked", "sentence"),
    [
        (LONG, None, r"the prompt has \d+ tokens and a new model reads 32: shorten the prompt"),
        (LONG, 8, r"the prompt has \d+ tokens, --max-new-tokens asks for 8 more, and a new model reads 32: shorten"),
        (
            "waves",
            32,
            r"--max-new-tokens asks for 32 more, and a new model reads 32: give --max-new-tokens \d+ or less",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    decoder: tuple[Any, BackboneFiles], prompt: str, asked: int | None, sentence: str
) -> None:
    model, files = decoder
    with pytest.raises(SettingsError, match=sentence):
        continue_text(model, files, prompt, WritingSettings(max_new_tokens=asked))


def test_where_no_number_is_asked_for_as_much_is_written_as_fits(decoder: tuple[Any, BackboneFiles]) -> None:
    model, files = decoder
    (found,) = continue_text(model, files, "waves", WritingSettings())
    assert found.tokens <= found.max_tokens < 32


def test_a_prompt_that_was_cut_in_training_is_cut_in_the_same_way(decoder: tuple[Any, BackboneFiles]) -> None:
    model, files = decoder
    seen: list[list[int]] = []
    handle = model.transformer.wte.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0][0].tolist()))
    continue_end(model, files, LONG, WritingSettings(max_new_tokens=8, temperature=0))
    handle.remove()
    known = Vocabulary.of(files, "clm")
    assert seen[0] == known.tokenizer.encode(LONG, add_special_tokens=False).ids[-24:]


def test_a_model_that_does_not_say_how_much_it_reads_is_one_sentence(
    decoder: tuple[Any, BackboneFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, files = decoder
    monkeypatch.setattr("trifold.pretrain.generation.model_context", lambda _model: None)
    with pytest.raises(BackboneError, match=r"a new model cannot read \d+ tokens and write 8"):
        continue_text(model, files, LONG, WritingSettings(max_new_tokens=8))


def test_the_seed_decides_and_zero_temperature_does_not_ask_it(decoder: tuple[Any, BackboneFiles]) -> None:
    model, files = decoder

    def said(**options: Any) -> list[str]:
        settings = WritingSettings(max_new_tokens=12, **options)
        return [one.text for one in continue_text(model, files, "waves", settings)]

    assert said(seed=1, num_return_sequences=3) == said(seed=1, num_return_sequences=3)
    assert said(seed=1) != said(seed=2)
    assert said(seed=1, temperature=0) == said(seed=2, temperature=0)


def test_an_empty_prompt_is_continued_without_a_warning(
    decoder: tuple[Any, BackboneFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, files = decoder
    said: list[str] = []
    logger = logging.getLogger("transformers.modeling_utils")
    monkeypatch.setattr(logger, "handle", lambda record: said.append(record.getMessage()))
    monkeypatch.setattr(type(logger), "warning_once", logging.Logger.warning)
    assert continue_text(model, files, "", WritingSettings(max_new_tokens=3))[0].tokens
    assert said == []
