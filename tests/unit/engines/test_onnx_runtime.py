"""ONNX Runtime computes what PyTorch computes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trifold.cache_folder import clear, graphs_folder
from trifold.cli.cache import cache
from trifold.engines import int8
from trifold.engines.encoder import Encoder, embed
from trifold.engines.onnx_runtime import OnnxGraph
from trifold.errors import BackboneError, SettingsError
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

TEXTS = ["The film is wonderful", "dull", "The cast is charming, the plot moving, the pace superb; number 7 in camera"]
CPU = Runtime("cpu", "float32")


def test_a_graph_pools_what_pytorch_pools_at_any_shape(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    tokenizer = Tokenizer(files, 50)
    tokens = tokenizer.encode([*TEXTS, *(" ".join(TEXTS[:count]) for count in (1, 2, 3))])
    expected = Encoder(files, CPU).pool(tokens, tokenizer.pad_id, token_budget=60)
    found = Encoder(files, CPU, engine="onnx").pool(tokens, tokenizer.pad_id, token_budget=90)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-4)


def test_8_bit_vectors_of_the_bundled_model_point_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "cpu_multiplies_int8", lambda: False)
    files = locate("minilm", offline=True)
    tokenizer = Tokenizer(files, 64)
    exact, _ = embed(Encoder(files, CPU), tokenizer, TEXTS, 1_000)
    encoder = Encoder(files, CPU, engine="int8")
    rough, _ = embed(encoder, tokenizer, TEXTS, 1_000)
    assert encoder.backend == "onnx-int8"
    cosines = (exact * rough).sum(1)
    assert cosines.min() > 0.98
    assert cosines.max() < 1 - 1e-6, "these were not computed in 8 bits"


def test_a_graph_is_written_once_and_cleared_with_the_cache(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    files = locate(str(tiny_model))
    tokenizer = Tokenizer(files, 50)
    embed(Encoder(files, CPU, engine="onnx"), tokenizer, TEXTS, 100)
    (graph,) = graphs_folder().iterdir()
    written = graph.stat().st_ino
    os.utime(graph, (1, 1))
    embed(Encoder(files, CPU, engine="onnx"), tokenizer, TEXTS, 100)
    assert graph.stat().st_ino == written
    assert graph.stat().st_mtime > 1, "what is used is no longer the oldest"
    cache()
    assert "graphs for ONNX Runtime: 1, " in capsys.readouterr().out
    assert clear() > 0
    assert not graph.exists()
    cache()
    assert "nothing is kept" in capsys.readouterr().out


def test_without_the_packages_one_sentence_says_what_to_install(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for installed, missing in (({"onnxruntime"}, "onnx"), ({"onnx"}, "onnxruntime"), (set(), "onnx and onnxruntime")):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, there=installed: object() if name in there else None
        )
        with pytest.raises(
            SettingsError, match=rf"needs {missing}, not installed here: pip install 'trifold\[export\]'"
        ):
            Encoder(locate(str(tiny_model)), CPU, engine="onnx")


def test_a_graph_that_is_there_runs_without_the_package_onnx(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    files = locate(str(tiny_model))
    embed(Encoder(files, CPU, engine="onnx"), Tokenizer(files, 50), TEXTS, 100)
    (graph,) = graphs_folder().iterdir()
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else object())
    assert OnnxGraph(graph)


@pytest.mark.parametrize("engine", ["onnx", "int8", "onnx-int8"])
def test_it_computes_on_the_cpu_alone(tiny_model: Path, engine: str) -> None:
    with pytest.raises(SettingsError, match="it computes on the CPU, not on cuda"):
        Encoder(locate(str(tiny_model)), Runtime("cuda", "float32"), engine=engine)


def test_a_damaged_graph_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(BackboneError, match=r"model\.onnx is no graph.*export again"):
        OnnxGraph(tmp_path / "model.onnx")


def test_a_graph_with_other_inputs_is_refused_by_name(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "x.onnx")
    with pytest.raises(BackboneError, match=r"x\.onnx takes or gives something else than input_ids, attention_mask"):
        OnnxGraph(tmp_path / "x.onnx")


def test_a_graph_with_weights_in_other_files_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    end = helper.make_tensor_value_info("output", TensorProto.FLOAT, [999])
    weights = numpy_helper.from_array(np.zeros(999, dtype=np.float32), "weights")
    graph = helper.make_graph([helper.make_node("Identity", ["weights"], ["output"])], "g", [], [end], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "x.onnx", save_as_external_data=True, location="secret")
    with pytest.raises(BackboneError, match="keeps weights in other files"):
        OnnxGraph(tmp_path / "x.onnx")


REPORTS = """
from trifold.engines.onnx_runtime import require_onnx
require_onnx()
import numpy, onnxruntime
from onnx import TensorProto, helper
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": numpy.zeros(1, numpy.float32)})
"""


def test_onnx_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    """What it would send is gathered in the temporary folder first, in `.ses`."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", REPORTS], env={**environment, "TMPDIR": str(tmp_path)}, check=True, timeout=120
    )
    assert list(tmp_path.iterdir()) == []
