"""Private operators of PyTorch have one place, and where one is missing the results are the same."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import trifold
from trifold.engines import int8
from trifold.engines.catalogue import engines_for
from trifold.engines.encoder import Encoder
from trifold.engines.int8 import Int8Engine
from trifold.engines.private_operators import copy_each, lerp_each, scale_each
from trifold.events import say_once
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

NAMED = re.compile(r"torch\.(ops\.|_C\b|_foreach_|_fused_|_[a-z]\w*\()")
FOREACH = ("_foreach_copy_", "_foreach_mul_", "_foreach_lerp_")


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    say_once.cache_clear()


def test_no_other_file_names_one() -> None:
    source = Path(trifold.__file__).parent
    naming = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if NAMED.search(path.read_text())}
    assert naming == {"engines/private_operators.py"}


def worked_on() -> list[torch.Tensor]:
    """Tensors after every operation on lists of tensors."""
    generator = torch.Generator().manual_seed(0)
    first, second = ([torch.rand(*shape, generator=generator) for shape in ((3, 4), (5,))] for _ in range(2))
    copies = [torch.empty_like(tensor, dtype=torch.bfloat16) for tensor in first]
    copy_each(copies, first)
    lerp_each(first, second, 0.25)
    scale_each(first, 3.0)
    return [*first, *second, *copies]


def test_without_those_for_lists_results_are_the_same_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = worked_on()
    assert capsys.readouterr().err == ""
    for name in FOREACH:
        monkeypatch.delattr(torch, name)
    for _ in range(2):
        torch.testing.assert_close(worked_on(), expected)
    said = capsys.readouterr().err
    for name in FOREACH:
        assert said.count(f"has no torch.{name}:") == 1


def test_without_prepacking_an_encoder_gives_nearly_the_same_and_it_is_said_once(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, runtime = locate(str(tiny_model)), Runtime("cpu", "bfloat16")
    tokens = Tokenizer(files, 16).encode(["A film", "another, longer film"])
    expected = Encoder(files, runtime).pool(tokens, 0).vectors
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    for _ in range(2):
        np.testing.assert_allclose(Encoder(files, runtime).pool(tokens, 0).vectors, expected, atol=0.1)
    assert capsys.readouterr().err.count("weights are not prepacked, which is slower") == 1


def test_without_8_bit_matmuls_another_engine_computes_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime("cpu", "float32")
    monkeypatch.setattr(int8, "cpu_multiplies_int8", lambda: True)
    monkeypatch.setattr(int8.platform, "machine", lambda: "x86_64")
    assert Int8Engine in engines_for("int8", runtime, frozen=True)
    monkeypatch.setattr(torch.ops, "onednn", SimpleNamespace())
    for _ in range(2):
        assert Int8Engine not in engines_for("int8", runtime, frozen=True)
    assert capsys.readouterr().err.count("has no torch.ops.onednn.qlinear_prepack") == 1
