"""Who is compared: methods by name, each once, on every backbone that is named."""

from pathlib import Path

import pytest

from trifold.errors import SettingsError
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.catalogue import METHODS
from trifold.models.settings import BackboneSettings
from trifold.pipeline.contestants import asking_methods, chosen_methods, line_up
from trifold.pipeline.request import Request


def test_all_methods_run_where_none_is_named_and_prompting_with_a_language_model() -> None:
    assert chosen_methods(None) == list(METHODS)
    assert chosen_methods(None, asking=("prompt-zero",)) == [*METHODS, "prompt-zero"]
    assert chosen_methods("tfidf, adapter", "classic") == ["tfidf", "adapter-lora", "classic"]


@pytest.mark.parametrize(
    ("llm", "shots", "methods"),
    [
        (None, 0, ()),
        ("hf:folder", 0, ("prompt-zero", "prompt")),
        ("rerank:folder", 0, ("prompt-zero", "prompt")),
        ("systemone:http://localhost/v1#m", 0, ("prompt-zero",)),
        ("openai:http://localhost/v1#m", 0, ("prompt-zero",)),
        ("openai:http://localhost/v1#m", 4, ("prompt-zero", "prompt")),
    ],
)
def test_a_language_model_is_asked_without_labels_and_with_them_where_they_have_a_say(
    llm: str | None, shots: int, methods: tuple[str, ...]
) -> None:
    assert asking_methods(LlmSettings(llm=llm), PromptingSettings(shots=shots)) == methods


def test_a_method_is_named_once() -> None:
    with pytest.raises(SettingsError, match="--methods names adapter-lora twice"):
        chosen_methods("adapter,adapter-lora")


def test_methods_that_need_no_backbone_run_once_whatever_backbones_are_named() -> None:
    request = Request(Path("some.csv"), backbone=BackboneSettings(model="minilm,a/other"))
    assert list(line_up(request, ["tfidf", "full"])) == ["tfidf", "full-minilm", "full-other"]
    with pytest.raises(SettingsError, match="--model names other twice"):
        line_up(Request(Path("some.csv"), backbone=BackboneSettings(model="a/other,b/other")), ["full"])
