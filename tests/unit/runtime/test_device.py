import pytest
import torch

from trifold.errors import SettingsError
from trifold.runtime import Runtime, bfloat16_pays, choose, device


def test_the_processor_runs_in_float32_unless_told_otherwise_or_built_for_more():
    assert choose("cpu", "float32") == Runtime("cpu", "float32")
    assert choose("cpu", "bfloat16") == Runtime("cpu", "bfloat16")
    assert choose("cpu").precision == ("bfloat16" if bfloat16_pays() else "float32")


def test_auto_takes_a_device_that_is_there():
    assert choose().device == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("setting", "flag"), [({"device": "tpu"}, "--device tpu"), ({"precision": "int8"}, "--precision int8")]
)
def test_an_unknown_device_or_precision_is_an_error_that_names_the_known_ones(setting, flag):
    with pytest.raises(SettingsError, match=f"{flag} is unknown: use auto, "):
        choose(**setting)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_asking_for_cuda_where_there_is_none_is_an_error_that_says_what_to_use():
    with pytest.raises(SettingsError, match="sees no CUDA device: use --device cpu or auto"):
        choose("cuda")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_autocast_multiplies_in_the_chosen_precision(precision):
    with Runtime("cpu", precision).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, precision)


@pytest.mark.parametrize(("slowdown", "taken"), [(2.0, "float32"), (0.5, "bfloat16")])
def test_bfloat16_is_taken_where_it_is_faster(slowdown: float, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instructions alone are no reason: in some virtual machines a product in bfloat16 takes twice as long."""
    clock = iter([value for _ in range(20) for value in (1.0, slowdown)])
    monkeypatch.setattr(device, "cpu_multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(device, "_seconds", lambda product: product() is not None and next(clock))
    bfloat16_pays.cache_clear()
    try:
        assert choose("cpu").precision == taken
    finally:
        bfloat16_pays.cache_clear()


def test_a_processor_without_bfloat16_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cpu_multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(device, "_seconds", lambda _: pytest.fail("timed"))
    bfloat16_pays.cache_clear()
    try:
        assert choose("cpu").precision == "float32"
    finally:
        bfloat16_pays.cache_clear()
