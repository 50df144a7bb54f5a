import os
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from trifold.errors import SettingsError
from trifold.runtime import (
    Runtime,
    choose,
    cpu_multiplies_bfloat16,
    hardware,
    memory_bytes,
    peak_memory_bytes,
    prepare,
    single_threaded_scipy,
    usable_cores,
)


def test_whether_the_processor_multiplies_bfloat16_is_a_yes_or_no():
    assert isinstance(cpu_multiplies_bfloat16(), bool)


def test_there_is_a_core_to_use_and_no_more_than_the_machine_has():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_a_process_uses_some_of_the_memory_there_is():
    assert peak_memory_bytes() > 0
    assert memory_bytes() == 0 or peak_memory_bytes() < memory_bytes()


def test_the_processor_runs_in_float32_unless_told_otherwise_or_built_for_more():
    assert choose("cpu", "float32") == Runtime("cpu", "float32")
    assert choose("cpu", "bfloat16") == Runtime("cpu", "bfloat16")
    assert choose("cpu").precision == ("bfloat16" if cpu_multiplies_bfloat16() else "float32")


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


def test_the_facts_name_the_machine():
    facts = hardware()
    assert facts["cores"] == usable_cores()
    assert facts["bfloat16"] in ("native", "no")
    assert facts["cpu"]


def test_a_name_that_stands_for_several_processors_comes_with_its_numbers(monkeypatch):
    told = "processor\t: 0\nmodel name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\n\nprocessor\t: 1\n"
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: told if path.name == "cpuinfo" else read(path))
    assert hardware()["cpu"] == "AMD EPYC (family 25, model 17)"


def blas_threads() -> dict[str, int]:
    return {
        library["filepath"]: library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_scipy_uses_one_thread_within_the_context_and_what_it_used_behind_it():
    with single_threaded_scipy():
        inside = blas_threads()
    before = blas_threads()
    assert any("scipy.libs" in path for path in inside)
    assert inside == {path: 1 if "scipy.libs" in path else count for path, count in before.items()}
    with single_threaded_scipy():
        assert blas_threads() == inside
    assert blas_threads() == before


def test_attention_on_a_gpu_never_plans_for_every_shape():
    prepare()
    assert not torch.backends.cuda.cudnn_sdp_enabled()
