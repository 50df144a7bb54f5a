"""Two towers: one encoder reads each text by itself, and the cosine of the two vectors is the answer.

What is saved is a folder of sentence-transformers, whichever method made it: it embeds, searches and loads there as any
other sentence encoder.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.data.scored_pairs import ScoredPairs
from trifold.engines.encoder import Encoder, embed
from trifold.events import say
from trifold.formatting import counted
from trifold.methods.defaults import Defaults
from trifold.methods.similarity import FittedSimilarity, SimilarityMethod, SimilarityModel, saved_scale, scale_arrays
from trifold.methods.similarity_objective import PairOrder
from trifold.methods.training_config import chosen_for, make_training_config
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import default_padding
from trifold.models.layers import freeze_below, freeze_embeddings
from trifold.models.loading import save_model
from trifold.models.locate import find_backbone
from trifold.models.lora import add_adapter
from trifold.models.sentence_folder import write_modules
from trifold.models.sentence_modules import SentenceModules
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.models.vector_steps import Dense, Normalize, unit_length
from trifold.models.vocabulary_pruning import tokens_that_occur
from trifold.runtime import Runtime, choose, seed_everything
from trifold.train.loop import train as train_model
from trifold.types import TextPair

# A step is never split: all of its pairs are compared with each other.
NO_LIMIT = 1 << 30


class TwoTowers(SimilarityModel):
    """An encoder, the mean of its tokens, and perhaps a matrix on top.

    Args:
        encoder: Reads each text.
        tokenizer: The encoder's.
        settings: How it is run.
        files: The backbone, for its tokenizer and name.
        projection: `(width, width)` float32 that vectors are multiplied by; `None` leaves them as they are.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        settings: ComputeSettings,
        files: BackboneFiles,
        projection: np.ndarray | None = None,
    ) -> None:
        self.files, self.projection = files, projection
        self._encoder, self._tokenizer, self._settings = encoder, tokenizer, settings

    def vectors(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of length 1, `(texts, width)` float32, and `(texts,)` bool, whether a text was truncated."""
        found, truncated = embed(self._encoder, self._tokenizer, texts, self._settings.token_budget)
        return (found if self.projection is None else unit_length(found @ self.projection)), truncated

    def cosines(self, pairs: Sequence[TextPair]) -> tuple[np.ndarray, np.ndarray]:
        """See `SimilarityModel.cosines`."""
        texts = [pair.first for pair in pairs] + [pair.second for pair in pairs]
        vectors, truncated = self.vectors(texts)
        first, second = np.split(vectors, 2)
        cut = np.asarray(truncated.reshape(2, -1).any(axis=0))
        return np.einsum("nw,nw->n", first, second), cut

    def save(self, folder: Path) -> None:
        """Write the encoder, its tokenizer, and what sentence-transformers wants to know of both."""
        save_model(self._encoder.model, folder)
        copy_tokenizer(self.files, folder)
        steps = (Normalize(),) if self.projection is None else (Dense(self.projection.T, None, "Identity"), Normalize())
        write_modules(folder, SentenceModules(steps=steps, max_length=self._tokenizer.max_length), self._encoder.width)
        settings = {
            **self._tokenizer.described(),
            "engine": self._encoder.backend,
            "base": self.files.name,
            "base_revision": self.files.revision,
        }
        projection = {} if self.projection is None else {"projection": self.projection}
        write_state(folder, settings, {**scale_arrays(self.scale), **projection})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "TwoTowers":
        """See `SimilarityModel.load`."""
        settings, arrays = read_state(folder)
        files = BackboneFiles(folder, str(settings["base"]), None, compute.trust_remote_code)
        runtime = choose(compute.device, compute.precision)
        encoder = Encoder(files, runtime, engine=str(settings.get("engine", "torch")))
        projection = arrays.of_shape("projection", encoder.width, encoder.width) if "projection" in arrays else None
        found = cls(encoder, Tokenizer.of(files, settings), compute, files, projection)
        found.scale = saved_scale(arrays)
        return found

    def size_bytes(self) -> int:
        """See `SimilarityModel.size_bytes`."""
        weights: int = sum(tensor.nbytes for tensor in self._encoder.model.state_dict().values())
        return weights + (0 if self.projection is None else self.projection.nbytes)


class Untouched(SimilarityMethod):
    """The encoder as it is: what there is without learning."""

    name = "zero-shot"
    summary = "the encoder as it is, no score is used"
    model = TwoTowers
    learns = False

    def learn(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:  # noqa: ARG002 - nothing is
        """See `SimilarityMethod.learn`."""
        chosen = self.settings.backbone
        files = find_backbone(chosen)
        encoder = Encoder(files, choose(chosen.device, chosen.precision), engine=chosen.engine)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        choices: dict[str, object] = {"precision": encoder.precision, "engine": encoder.backend}
        return FittedSimilarity(TwoTowers(encoder, tokenizer, chosen, files), None, 0, choices)


class TrainedTowers(SimilarityMethod):
    """The encoder is trained, whole or in part, so that cosines get the order of the scores.

    Attributes:
        defaults: The method's values for what the user did not set.
    """

    model = TwoTowers
    defaults: ClassVar[Defaults]
    epochs: ClassVar[int]

    @abstractmethod
    def prepare(self, model: Any, files: BackboneFiles) -> Any:
        """The encoder as it is trained; its parameters that require a gradient are."""

    def end(self, model: Any) -> None:
        """Leave the plain encoder inside with what was learned."""

    def learn(self, train: ScoredPairs, validation: ScoredPairs) -> FittedSimilarity:
        """See `SimilarityMethod.learn`."""
        chosen, given = self.settings.backbone, self.settings.train
        runtime, files = choose(chosen.device, chosen.precision), find_backbone(chosen)
        seed_everything(given.seed)
        encoder = Encoder(files, runtime, frozen=False)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        model = self.prepare(encoder.model, files)
        config = make_training_config(
            self.name, self.defaults, given, epochs=given.epochs or self.epochs, token_budget=NO_LIMIT
        )
        config = replace(config, unit="pairs", must_move=False)
        parameters = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        say(
            f"{self.name}: training {parameters:,} parameters of {files.name} with {counted(len(train), 'pair')}, "
            f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g}, batch {config.batch_size}, "
            f"{runtime.precision} on {runtime.device}"
        )
        parts = [self._objective(part, tokenizer, runtime) for part in (train, validation)]
        texts = [tokens for part in parts for tokens in (part.first, part.second)]
        with tokens_that_occur(model, texts, tokenizer.pad_id) as own:
            pruned = [part.with_tokens(*own[2 * i : 2 * i + 2]) for i, part in enumerate(parts)]
            history, _ = train_model(model, pruned[0], pruned[1], config, runtime)
        self.end(model)
        encoder.end_training()
        choices = {**chosen_for(config, history, runtime), "token_budget": parts[0].token_budget}
        return FittedSimilarity(TwoTowers(encoder, tokenizer, chosen, files), history, parameters, choices)

    def _objective(self, part: ScoredPairs, tokenizer: Tokenizer, runtime: Runtime) -> PairOrder:
        first, second = (
            tokenizer.encode(texts)
            for texts in ([pair.first for pair in part.pairs], [pair.second for pair in part.pairs])
        )
        budget = self.settings.backbone.token_budget or runtime.token_budget
        pad_to = default_padding(runtime)
        return PairOrder(first, second, part.scores, tokenizer.pad_id, pad_to, runtime.device, budget)


class FullTowers(TrainedTowers):
    """The whole encoder is trained, or the top layers only."""

    name = "full"
    summary = "the whole encoder is trained on the order of the scores"
    defaults = Defaults(5e-5, (1e-6, 5e-4), batch_size=32)
    epochs = 4

    def prepare(self, model: Any, files: BackboneFiles) -> Any:  # noqa: ARG002 - as the base has it
        """See `TrainedTowers.prepare`."""
        freeze_below(model, self.settings.tuning.train_layers, "--train-layers")
        if self.settings.tuning.freeze_embeddings:
            freeze_embeddings(model)
        return model


class LoraTowers(TrainedTowers):
    """Low-rank matrices beside those of the frozen encoder are trained, and added to them in the end."""

    name = "adapter-lora"
    summary = "the encoder is frozen, low-rank matrices beside its own are trained, then added to them"
    defaults = Defaults(1e-3, (1e-4, 1e-2), batch_size=32)
    epochs = 4

    def prepare(self, model: Any, files: BackboneFiles) -> Any:
        """See `TrainedTowers.prepare`."""
        rank = self.settings.tuning.adapter_size
        return add_adapter(model, files, rank, task_type="FEATURE_EXTRACTION", target_modules="all-linear")

    def end(self, model: Any) -> None:
        """See `TrainedTowers.end`."""
        model.merge_and_unload()
