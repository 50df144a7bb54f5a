"""How a process is set up for numeric work, and put back."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from trifold.runtime import cpu_multiplies_bfloat16, limit_matmul_cache, prepare, prepared, unchanged_process

# Bytes of the heap in use after products of many shapes, forward and back, beyond those after the first.
MANY_SHAPES = """
import ctypes, sys
import torch
from trifold.runtime import limit_matmul_cache

class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "a b c d e f g used free top".split()]

read = ctypes.CDLL(None).mallinfo2
read.restype = Heap
if sys.argv[1] != "many":
    limit_matmul_cache(int(sys.argv[1]))
weight = torch.ones(64, 64, dtype=torch.bfloat16, requires_grad=True)

def step(tokens):
    torch.nn.functional.linear(torch.ones(tokens, 64, dtype=torch.bfloat16), weight).sum().backward()
    weight.grad = None

step(1)
before = read().used
for tokens in range(2, 302):
    step(tokens)
print(read().used - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what is in use")
@pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="this processor does not multiply bfloat16")
def test_training_keeps_few_of_the_products_that_were_written_for_other_lengths() -> None:
    unset = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}

    def kept(usual: str) -> int:
        command = [sys.executable, "-c", MANY_SHAPES, usual]
        return int(subprocess.run(command, capture_output=True, check=True, env=unset).stdout)

    many, short, long = kept("many"), kept("36"), kept("250")
    assert many > 50e6
    assert short < 0.7 * many
    assert long < 0.3 * many


def test_what_the_environment_says_on_products_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    for name in names:
        monkeypatch.setenv(name, "512")
    limit_matmul_cache(250)
    assert [os.environ[name] for name in names] == ["512", "512"]


def test_attention_on_a_gpu_never_plans_for_every_shape():
    prepare()
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_threads_that_are_prepared_at_the_same_time_leave_the_settings_that_the_first_found():
    torch.set_num_threads(3)
    torch.backends.cuda.enable_cudnn_sdp(True)
    both = Barrier(2)

    def work(number: int) -> None:
        with prepared():
            both.wait()
            assert not torch.backends.cuda.cudnn_sdp_enabled()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
        assert list(pool.map(lambda _: torch.get_num_threads(), range(2))) == [3, 3]
    assert torch.backends.cuda.cudnn_sdp_enabled()
    torch.set_num_threads(1)


def test_random_numbers_and_variables_go_on_as_if_nothing_had_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFOLD_TEST", "before")
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)

    def disturb() -> None:
        with unchanged_process():
            for seed in (random.seed, np.random.seed, torch.manual_seed):
                seed(7)
            os.environ.update({"TRIFOLD_TEST": "inside", "TRIFOLD_OTHER": "1"})
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        disturb()
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    assert os.environ["TRIFOLD_TEST"] == "before"
    assert "TRIFOLD_OTHER" not in os.environ


def test_only_a_command_has_its_process_set_up_by_the_library():
    script = (
        "import sys, torch; from trifold.runtime import own_process, prepare_own\n"
        "torch.set_num_threads(3); prepare_own(); assert torch.get_num_threads() == 3\n"
        "own_process(); prepare_own(); assert torch.get_num_threads() == 1"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
