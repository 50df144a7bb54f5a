"""Texts as vectors, by the encoder of a run."""

from collections.abc import Sequence

import numpy as np

from trifold.artifact.run_record import FinetuneRecord
from trifold.documents.embedding.models import find_model
from trifold.engines.encoder import Encoder, embed
from trifold.errors import BackboneError
from trifold.features.pooled_vectors import pool_through_cache
from trifold.inference.run import Run
from trifold.models.backbone_files import BackboneFiles
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.vector_steps import unit_length
from trifold.runtime import choose


class RunEncoder:
    """The vectors of texts by a run's encoder, or by its backbone where it has none of its own.

    Args:
        run: The run.
        compute: How the encoder runs.

    Raises:
        BackboneError: If the run has neither.
    """

    def __init__(self, run: Run, compute: ComputeSettings) -> None:
        record: FinetuneRecord = run.record
        settings = record.settings
        self._settings = BackboneSettings(
            **vars(compute),
            max_length=record.max_length,
            long_text=settings.get("long_text", "truncate"),
            max_windows=settings.get("max_windows"),
            engine=settings.get("engine", "torch"),
        )
        self._files = _files(run, self._settings)
        runtime = choose(compute.device, compute.precision)
        self._encoder = Encoder(self._files, runtime, engine=self._settings.engine)
        self._tokenizer = Tokenizer.chosen(self._files, self._settings)

    def vectors(self, texts: Sequence[str], *, kept: bool) -> np.ndarray:
        """`(texts, width)` float32 of length 1; through the cache where they are to be kept."""
        if not kept:
            return embed(self._encoder, self._tokenizer, texts, self._settings.token_budget)[0]
        pooled = pool_through_cache(self._encoder, self._tokenizer, texts, self._files, self._settings).pooled
        return unit_length(pooled.join([(self._encoder.layers, "mean")]).astype(np.float32))


def _files(run: Run, settings: BackboneSettings) -> BackboneFiles:
    try:
        return find_model(str(run.folder), settings).files
    except BackboneError:
        if run.record.backbone is None:
            raise BackboneError(
                f"a run of {run.record.method} has no encoder, so that its nearest training rows are not shown"
            ) from None
        return find_model(run.record.backbone.name, settings).files
