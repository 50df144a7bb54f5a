"""Who is compared: methods by name, each once, on every backbone that is named."""

from pathlib import Path

import pytest

from trifold.errors import SettingsError
from trifold.methods.catalogue import METHODS
from trifold.models.settings import BackboneSettings
from trifold.pipeline.contestants import chosen_methods, line_up
from trifold.pipeline.request import Request


def test_all_methods_run_where_none_is_named_and_prompting_with_a_language_model() -> None:
    assert chosen_methods(None) == list(METHODS)
    assert chosen_methods(None, prompting=True) == [*METHODS, "prompt"]
    assert chosen_methods("tfidf, adapter", "classic") == ["tfidf", "adapter-lora", "classic"]


def test_a_method_is_named_once() -> None:
    with pytest.raises(SettingsError, match="--methods names adapter-lora twice"):
        chosen_methods("adapter,adapter-lora")


def test_methods_that_need_no_backbone_run_once_whatever_backbones_are_named() -> None:
    request = Request(Path("some.csv"), backbone=BackboneSettings(model="minilm,a/other"))
    assert list(line_up(request, ["tfidf", "full"])) == ["tfidf", "full-minilm", "full-other"]
    with pytest.raises(SettingsError, match="--model names other twice"):
        line_up(Request(Path("some.csv"), backbone=BackboneSettings(model="a/other,b/other")), ["full"])
