"""A predictor exported as one ONNX graph, from token ids to logits; it runs without PyTorch.

Its files lie where transformers.js looks for them: `config.json` with the labels' names, `tokenizer.json` and
`tokenizer_config.json` in one folder, the graph in `onnx/` below it.
"""

import shutil
from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.atomic import write_json
from trifold.engines.onnx_runtime import TOKEN_BUDGET, OnnxGraph, write_graph
from trifold.engines.token_model import LogitsModel
from trifold.errors import ArtifactError, SettingsError
from trifold.json_reading import read_json
from trifold.methods.contract import Exportable, Predictor
from trifold.methods.token_predictor import TokenPredictor
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import TOKENIZER_FILES, copy_tokenizer
from trifold.models.tokens import Tokens
from trifold.tasks.labels import LabelMap

GRAPH = "onnx/model.onnx"
# A graph that reads the windows of one text gives one row for a batch of several: no reader of other graphs finds it.
_WINDOWS_GRAPH = "onnx/model_windows.onnx"
# Where earlier versions put it.
_EARLIER_GRAPH = "model.onnx"
_CONFIG, _TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
_STATE = ("head.json", "head.safetensors")


def exported_files(run: Path) -> Path:
    """Where the files of an exported run lie: beside its `run.json`, or in `model/` as earlier versions put them."""
    return run if (run / _STATE[0]).is_file() else run / "model"


def require_exportable(predictor: Predictor) -> Exportable:
    """What of a predictor is written as a graph.

    Raises:
        SettingsError: If it has no neural network that reads a row in one pass.
    """
    parts = predictor.exportable()
    if parts is None:
        raise SettingsError(
            "this run has no neural network to export as one graph: trifold predict runs it as fast as it gets"
        )
    return parts


class ExportedPredictor(TokenPredictor):
    """An ONNX graph with its tokenizer and labels."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, labels: LabelMap, settings: ComputeSettings) -> None:
        self.labels = labels
        self._folder = folder
        self._path = _graph_in(folder)
        self._graph = OnnxGraph(self._path)
        self._tokenizer = tokenizer
        self._settings = settings

    @classmethod
    def write(
        cls,
        predictor: Predictor,
        folder: Path,
        *,
        int8: bool,
        pairs: bool = False,
        parts: Exportable | None = None,
    ) -> None:
        """Write `predictor` as a graph into `folder`, for `load`.

        Args:
            predictor: With a neural network.
            folder: Made where it is not there.
            int8: Whether matrix products are done in 8-bit integers.
            pairs: Whether it reads pairs of texts.
            parts: What `require_exportable` gave for it, where that was called already.

        Raises:
            SettingsError: If it has no neural network, or ONNX Runtime is not installed.
            BackboneError: If its model cannot be written as a graph.
        """
        parts = parts or require_exportable(predictor)
        graph = folder / (_WINDOWS_GRAPH if parts.tokenizer.reads_windows else GRAPH)
        graph.parent.mkdir(parents=True, exist_ok=True)
        types = pairs and parts.tokenizer.has_types
        write_graph(parts.module, graph, int8=int8, types=types, output="logits")
        copy_tokenizer(parts.files, folder)
        _write_configurations(folder, parts, predictor.labels)
        described = {**predictor.labels.described(), **parts.tokenizer.described(), "base": parts.files.name}
        write_state(folder, described, {})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "ExportedPredictor":
        """See `Predictor.load`."""
        settings, _ = read_state(folder)
        tokenizer = Tokenizer.of(
            BackboneFiles(folder, str(settings["base"]), None, compute.trust_remote_code), settings
        )
        return cls(folder, tokenizer, LabelMap.saved(settings), compute)

    def token_model(self) -> LogitsModel:
        """See `TokenPredictor.token_model`."""
        # A graph that reads windows takes one text at a time.
        budget = 1 if self._tokenizer.reads_windows else self._settings.token_budget or TOKEN_BUDGET
        return LogitsModel(
            tokenizer=self._tokenizer, token_budget=budget, classes=len(self.labels), forward=self._forward
        )

    def _forward(self, tokens: Tokens, positions: np.ndarray) -> np.ndarray:
        found = self._graph(*tokens.padded(positions, self._tokenizer.pad_id))
        if found.shape != (len(positions), len(self.labels)):
            raise ArtifactError(
                f"the graph in {self._folder} has {found.shape[-1]} classes and the run {len(self.labels)} labels: "
                "export again"
            )
        return found

    def save(self, folder: Path) -> None:
        """Copy what `load` needs; beside it, the folder of an export holds more."""
        graph = folder / self._path.relative_to(self._folder)
        graph.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._path, graph)
        for name in (_CONFIG, *_STATE, *TOKENIZER_FILES):
            if (self._folder / name).is_file():
                shutil.copyfile(self._folder / name, folder / name)

    def divide_logits(self, temperature: float) -> None:
        """Refused: the temperature is part of the graph since the export.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError(f"an exported model cannot be divided by {temperature:g}: export it again")

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return self._path.stat().st_size


def _graph_in(folder: Path) -> Path:
    """The graph in the folder of an export; where it should be if it is nowhere."""
    graphs = [folder / name for name in (GRAPH, _WINDOWS_GRAPH, _EARLIER_GRAPH)]
    return next((path for path in graphs if path.is_file()), graphs[0])


def _write_configurations(folder: Path, parts: Exportable, labels: LabelMap) -> None:
    """Write the backbone's configuration with what others need to use the graph: labels, and how much is read."""
    names = [str(name) for name in labels.names]
    config = read_config(parts.files) | {
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": f"{'multi' if labels.multi_label else 'single'}_label_classification",
        # The name of the graph has no ending for its precision, whatever that is; in a browser, one would be expected.
        "transformers.js_config": {"dtype": "fp32"},
    }
    write_json(folder / _CONFIG, config)
    path = folder / _TOKENIZER_CONFIG
    known = read_json(path) if path.is_file() else {}
    write_json(path, {**known, "model_max_length": parts.tokenizer.max_length})
