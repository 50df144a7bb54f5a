"""A predictor exported as one ONNX graph, from token ids to logits; it runs without PyTorch."""

import shutil
from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.onnx_runtime import TOKEN_BUDGET, OnnxGraph, write_graph
from trifold.engines.token_model import LogitsModel
from trifold.errors import ArtifactError, SettingsError
from trifold.methods.contract import Predictor
from trifold.methods.token_predictor import TokenPredictor
from trifold.models.backbone_files import BackboneFiles
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.models.tokens import Tokens
from trifold.tasks.labels import LabelMap

GRAPH = "model.onnx"
_CONFIG = "config.json"


class ExportedPredictor(TokenPredictor):
    """An ONNX graph with its tokenizer and labels."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, labels: LabelMap, settings: ComputeSettings) -> None:
        self.labels = labels
        self._folder = folder
        self._graph = OnnxGraph(folder / GRAPH)
        self._tokenizer = tokenizer
        self._settings = settings

    @classmethod
    def write(cls, predictor: Predictor, folder: Path, *, int8: bool, pairs: bool = False) -> None:
        """Write `predictor` as a graph into `folder`, for `load`.

        Args:
            predictor: With a neural network.
            folder: Made where it is not there.
            int8: Whether matrix products are done in 8-bit integers.
            pairs: Whether it reads pairs of texts.

        Raises:
            SettingsError: If it has no backbone, or ONNX Runtime is not installed.
            BackboneError: If its model cannot be written as a graph.
        """
        parts = predictor.exportable()
        if parts is None:
            raise SettingsError(
                "this run has no neural network to export as one graph: trifold predict runs it as fast as it gets"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_graph(parts.module, folder / GRAPH, int8=int8, types=pairs and parts.tokenizer.has_types)
        copy_tokenizer(parts.files, folder)
        shutil.copyfile(parts.files.folder / _CONFIG, folder / _CONFIG)
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
        """Copy the exported folder."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)

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
        return (self._folder / GRAPH).stat().st_size
