"""Settings that a method does not use: each has its place, and none is taken in silence."""

from dataclasses import fields

import pytest

from trifold.errors import SettingsError
from trifold.evaluate.settings import CompareSettings
from trifold.methods.catalogue import ALL_METHODS, ANY_METHOD, GENERATIVE, method_entry
from trifold.methods.settings import MethodSettings, TuningSettings
from trifold.methods.unused_settings import only_used, require_used, require_used_to_generate, unused
from trifold.models.settings import BackboneSettings
from trifold.pipeline.compare import compare
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request
from trifold.train.settings import CheckpointSettings, TrainSettings


def test_every_setting_is_used_by_a_method_and_every_method_uses_settings_that_exist() -> None:
    groups = (*MethodSettings().method_groups.values(), CheckpointSettings())
    known = {field.name for group in groups for field in fields(group)}
    placed = ANY_METHOD.union(*(method_entry(name).uses for name in ALL_METHODS))
    assert placed == known
    assert ANY_METHOD.union(*(entry.uses for entry in GENERATIVE.values())) <= known


def test_what_a_method_does_not_use_is_refused_and_who_uses_it_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        require_used(["tfidf"], TrainSettings(epochs=7), TuningSettings(merge_adapter=True))
    assert str(error.value) == (
        "tfidf does not use --epochs, --merge-adapter: leave them out, or take another method (--epochs is for "
        "features, adapter-lora, adapter-bottleneck, contrastive, full, classic; --merge-adapter is for adapter-lora). "
        "tfidf takes --cache, --cache-gigabytes, --class-weight, --metric, --offline, --report-to, --resume, --seed, "
        "--threshold"
    )


def test_what_one_of_several_methods_uses_is_taken_and_handed_to_that_one_alone() -> None:
    given = TuningSettings(adapter_size=3, train_layers=2)
    assert unused(["tfidf", "adapter-lora"], given) == ["train_layers"]
    require_used(["full", "adapter-lora"], given)
    assert only_used(given, "full") == TuningSettings(train_layers=2)
    assert only_used(given, "tfidf") == TuningSettings()


def test_what_holds_for_any_method_is_taken_by_all() -> None:
    seed, backbone = TrainSettings(seed=7), BackboneSettings(offline=True, cache=False)
    for method in ALL_METHODS:
        require_used([method], seed, backbone)
        assert only_used(seed, method) == seed


def test_learning_to_write_has_settings_of_its_own() -> None:
    require_used_to_generate("adapter-lora", TuningSettings(adapter_size=3))
    with pytest.raises(SettingsError, match="--task generate --method full does not use --adapter-size"):
        require_used_to_generate("full", TuningSettings(adapter_size=3))


def test_training_and_comparing_refuse_before_anything_is_read(tmp_path) -> None:
    request = Request(tmp_path / "missing.csv", train=TrainSettings(epochs=3))
    with pytest.raises(SettingsError, match="tfidf does not use --epochs"):
        finetune(request, "tfidf")
    with pytest.raises(SettingsError, match="tfidf or zero-shot does not use --epochs"):
        compare(request, CompareSettings(methods="tfidf,zero-shot"))
