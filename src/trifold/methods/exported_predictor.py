"""A predictor exported as one ONNX graph, from token ids to logits; it runs without PyTorch."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.onnx_runtime import TOKEN_BUDGET, OnnxGraph, write_graph
from trifold.errors import ArtifactError, SettingsError
from trifold.methods.contract import Predictor, Scores
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import by_token_budget
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.tasks.labels import LabelMap
from trifold.types import Text

GRAPH = "model.onnx"
_CONFIG = "config.json"


class ExportedPredictor(Predictor):
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

    def score(self, texts: Sequence[Text]) -> Scores:
        """See `Predictor.score`."""
        tokens = self._tokenizer.encode(texts)
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        # A graph that reads windows takes one text at a time.
        budget = 1 if self._tokenizer.reads_windows else self._settings.token_budget or TOKEN_BUDGET
        for batch in by_token_budget(tokens.lengths, budget):
            found = self._graph(*tokens.padded(batch, self._tokenizer.pad_id))
            if found.shape != logits[batch].shape:
                raise ArtifactError(
                    f"the graph in {self._folder} has {found.shape[-1]} classes and the run {len(self.labels)} labels: "
                    "export again"
                )
            logits[batch] = found
        return Scores(logits, tokens.truncated)

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """See `Predictor.read_spans`."""
        return self._tokenizer.read_spans(text)

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
