"""ONNX Runtime as an engine: a module written as a graph with its layers fused, in single precision or 8-bit integers.

Faster than PyTorch on a CPU that has no bfloat16 (benchmarks/LOG.md). It does not know what the module computes: token
ids, their mask and, where it reads pairs of texts, token types go in, one array of floats comes out. A graph that gives
other results than its module is refused.
"""

import contextlib
import importlib
import importlib.util
import io
import logging
import mmap
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifold.cache_folder import graph_aside, graphs_folder
from trifold.errors import BackboneError, SettingsError, first_line
from trifold.events import say
from trifold.hashing import content_address
from trifold.models.tokens import MODEL_INPUTS
from trifold.runtime import compute_threads, cpu_multiplies_int8, environment_variable
from trifold.version import VERSION, installed_versions

if TYPE_CHECKING:
    import torch

# The newest operator set that PyTorch's tracing exporter writes and that the fusions below know.
_OPERATOR_SET = 17
# Fused kernels add in another order than PyTorch; a graph that is wrong is wrong by far more.
_TOLERANCE = 2e-3
_RUNNING, _WRITING = ("onnxruntime",), ("onnx", "onnxruntime")
# Tokens of one pass where the user names no number: graphs are fastest on smaller batches than PyTorch's
# (benchmarks/LOG.md).
TOKEN_BUDGET = 1_024


def require_onnx(*, writing: bool = True) -> None:
    """Import ONNX Runtime with its telemetry off; every use of it calls this first.

    From version 1.32 on, it reports its use to its maker unless a variable says no when it is imported.

    Args:
        writing: Whether a graph is written; to run one, ONNX Runtime alone is needed.

    Raises:
        SettingsError: If a package is missing; the message names each.
    """
    missing = [name for name in (_WRITING if writing else _RUNNING) if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(f"this needs {' and '.join(missing)}, not installed here: pip install 'trifold[export]'")
    if "onnxruntime" not in sys.modules:
        with environment_variable("ORT_DISABLE_TELEMETRY", "1"):
            importlib.import_module("onnxruntime")


class OnnxGraph:
    """A graph on disk, ready to run on the CPU.

    Args:
        path: As `write_graph` left it.

    Raises:
        SettingsError: If ONNX Runtime is not installed.
        BackboneError: If the file is no graph that it can run.
    """

    def __init__(self, path: Path) -> None:
        require_onnx(writing=False)
        import onnxruntime

        _refuse_other_files(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = compute_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - its errors share no base class
            reason = first_line(error)
            raise BackboneError(f"{path} is no graph that ONNX Runtime can run ({reason}): export again") from None
        found = {one.name for one in self._session.get_inputs()}
        self._inputs = MODEL_INPUTS[: max(2, len(found))]
        if found != set(self._inputs) or len(self._session.get_outputs()) != 1:
            raise BackboneError(
                f"{path} takes or gives something else than {', '.join(MODEL_INPUTS)} and one result: export again"
            )
        self._path = path

    def __call__(self, *given: np.ndarray) -> np.ndarray:
        """`(batch, tokens)` int64 ids, mask and, of pairs, token types to the module's result, float32."""
        missing = [np.zeros_like(given[0])] * (len(self._inputs) - len(given))  # of single texts, all types are 0
        try:
            inputs = dict(zip(self._inputs, (*given, *missing), strict=True))
            result: np.ndarray = self._session.run(None, inputs)[0]
        except Exception as error:  # noqa: BLE001 - its errors share no base class
            raise BackboneError(f"{self._path} cannot be run ({first_line(error)}): export again") from None
        return result


def _refuse_other_files(path: Path) -> None:
    """Refuse a graph whose weights lie in other files, which it may name anywhere on this machine.

    Raises:
        BackboneError: If they do.
    """
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            # Every such reference has this word; looking for it is quicker than parsing the graph.
            if content.find(b"location") < 0:
                return
        require_onnx()
        import onnx
        from onnx.external_data_helper import _get_all_tensors, uses_external_data

        try:
            model = onnx.load(path, load_external_data=False)
        except Exception:  # noqa: BLE001 - a damaged file is refused when it is opened
            return
        if any(map(uses_external_data, _get_all_tensors(model))):
            raise BackboneError(f"{path} keeps weights in other files, which are not opened: export again")


def write_graph(
    module: "torch.nn.Module", path: Path, *, int8: bool = False, types: bool = False, output: str = "output"
) -> None:
    """Write what `module` computes as a graph, and prove that it computes the same.

    Matmuls of an 8-bit graph take weights quantised per output channel beforehand, and activations quantised for each
    batch. Without the processor's 8-bit dot product, weights have 7 bits, or sums of two would overflow.

    Args:
        module: From `(batch, tokens)` ids and mask to one tensor; on the CPU, in evaluation mode.
        path: Path of the graph.
        int8: Whether matmuls are done in 8-bit integers.
        types: Whether the graph takes token types, too.
        output: Name of the result.

    Raises:
        SettingsError: If the packages are missing.
        BackboneError: If the module cannot be written as a graph.
    """
    require_onnx()
    # The exporter puts the module back into the mode it was in, its parts included.
    assert not module.training
    with tempfile.TemporaryDirectory() as folder, _quiet():
        raw, fused = Path(folder) / "raw.onnx", Path(folder) / "fused.onnx"
        _trace(module, raw, types=types, output=output)
        _fuse(raw, fused, *_attention_shape(module))
        _prove(module, fused, types=types)
        if int8:
            _quantise(fused, path)
        else:
            path.write_bytes(fused.read_bytes())


def kept_graph(module: "torch.nn.Module", about: dict[str, object], *, int8: bool) -> OnnxGraph:
    """The graph of `module`, from the cache folder where it was written before.

    Args:
        module: As for `write_graph`.
        about: All that determines the module: its weights, and which of its states it returns.
        int8: As for `write_graph`.

    Raises:
        SettingsError: As `write_graph`.
        BackboneError: As `write_graph`.
    """
    require_onnx()
    versions = {"trifold": VERSION, **installed_versions(*_WRITING, "torch", "transformers")}
    kind = {"about": about, "int8": int8, "full range": cpu_multiplies_int8(), "versions": versions}
    path = graphs_folder() / f"{content_address(kind)}.onnx"
    with contextlib.suppress(OSError, BackboneError):
        os.utime(path)
        return OnnxGraph(path)
    # The graph was never written, is damaged, or was cleared by another process at this moment.
    say(f"the backbone is written as a graph{' of 8-bit integers' if int8 else ''}, and kept for next time")
    with graph_aside(path) as aside:
        write_graph(module, aside, int8=int8)
        return OnnxGraph(aside)


def _trace(module: "torch.nn.Module", path: Path, *, types: bool, output: str) -> None:
    import torch

    given = _example(types=types)
    names = MODEL_INPUTS[: len(given)]
    axes = {0: "batch", 1: "tokens"}
    try:
        with unfused_attention(module), torch.no_grad():
            rows = len(module(*map(torch.from_numpy, given)))
            torch.onnx.export(
                module,
                tuple(map(torch.from_numpy, given)),
                str(path),
                dynamo=False,
                input_names=list(names),
                output_names=[output],
                # The windows of a text give one row, however many they are.
                dynamic_axes={**dict.fromkeys(names, axes), output: {0: "batch"} if rows == len(given[0]) else {}},
                opset_version=_OPERATOR_SET,
            )
    except (RuntimeError, TypeError, ValueError, torch.onnx.errors.OnnxExporterError) as error:
        reason = first_line(error)
        raise BackboneError(f"this model cannot be written as an ONNX graph ({reason}): use it as it is") from None


def _fuse(raw: Path, fused: Path, heads: int, width: int) -> None:
    """Replace the many small operators of attention, normalisation and GELU by one each."""
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(str(raw), model_type="bert", num_heads=heads, hidden_size=width, opt_level=0)
    model.save_model_to_file(str(fused))


def _attention_shape(module: "torch.nn.Module") -> tuple[int, int]:
    """Heads and width from the model's configuration; zeros, with which the fusions find them, where it lacks them."""
    config: Any = next((part.config for part in module.modules() if hasattr(part, "config")), None)
    return getattr(config, "num_attention_heads", 0), getattr(config, "hidden_size", 0)


def _quantise(fused: Path, path: Path) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fused,
        path,
        op_types_to_quantize=["MatMul", "Attention"],
        per_channel=True,
        reduce_range=not cpu_multiplies_int8(),
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )


def _prove(module: "torch.nn.Module", path: Path, *, types: bool) -> None:
    """Compare with the module on texts of other lengths than it was traced with."""
    import torch

    given = _example(batch=3, tokens=11, types=types)
    with torch.inference_mode():
        expected = module(*map(torch.from_numpy, given)).numpy()
    found = OnnxGraph(path)(*given)
    difference = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
    if found.shape != expected.shape or not difference <= _TOLERANCE:
        raise BackboneError("this model computes something else as an ONNX graph: use it as it is")


def _example(batch: int = 2, tokens: int = 8, *, types: bool = False) -> tuple[np.ndarray, ...]:
    """Ids that every vocabulary has, and a mask with one shorter text, so that masking is traced."""
    ids = np.arange(batch * tokens, dtype=np.int64).reshape(batch, tokens) % 13 + 3
    mask = np.ones_like(ids)
    mask[-1, tokens // 2 :] = 0
    return (ids, mask, ids % 2) if types else (ids, mask)


@contextmanager
def unfused_attention(module: "torch.nn.Module") -> Iterator[None]:
    """Inside, attention is computed step by step, which is the pattern that the fusions look for."""
    parts: list[tuple[Any, str]] = []
    part: Any
    for part in module.modules():
        config = getattr(part, "config", None)
        if hasattr(part, "set_attn_implementation") and config is not None:
            parts.append((part, config._attn_implementation))
            part.set_attn_implementation("eager")
    try:
        yield
    finally:
        for part, before in reversed(parts):
            part.set_attn_implementation(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, exporter, fusions and quantiser are silent: their warnings are about nothing that the user can change."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
