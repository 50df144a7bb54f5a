"""Settings are composed once: every one has a name of its own, and a request has all of them."""

from dataclasses import fields

from trifold.data.settings import DataSettings
from trifold.methods.settings import MethodSettings, TrainingSettings
from trifold.pipeline.request import Request
from trifold.train.settings import TrainSettings


def test_no_two_settings_have_one_name() -> None:
    groups = (*MethodSettings().method_groups.values(), DataSettings())
    names = [field.name for group in groups for field in fields(group)]
    assert len(names) == len(set(names))


def test_methods_see_all_but_how_the_file_is_read() -> None:
    settings = TrainingSettings(train=TrainSettings(epochs=3))
    assert settings.method_settings == MethodSettings(train=TrainSettings(epochs=3))
    assert "reading" not in settings.method_groups


def test_a_request_names_each_setting_once(tmp_path) -> None:
    request = Request(tmp_path / "some.csv", train=TrainSettings(epochs=3))
    named = request.named()
    assert (named["data"], named["epochs"]) == (str(tmp_path / "some.csv"), 3)
    assert set(named) == {"data", *vars(DataSettings()), *MethodSettings().named()}
    assert request.flags() == ["--epochs", "3"]
