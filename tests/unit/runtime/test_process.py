"""How a process is set up for numeric work, and put back."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

from trifold.runtime import prepare, prepared, unchanged_process


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


def test_a_command_is_silent_about_a_home_that_matplotlib_cannot_write_to(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, in which no folder can be made")
    code = (
        "from trifold.runtime import own_process; own_process()\n"
        "from matplotlib import get_cachedir; print(get_cachedir())"
    )
    unset = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert str(tmp_path) not in done.stdout
