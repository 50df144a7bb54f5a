"""`contrastive`: for few labelled rows. Pairs of texts train the backbone, then a linear head is fitted on it.

A few rows are few examples for a classifier, but they make many pairs. Every step draws a few rows of a few classes and
compares each with each. The pairs are never listed, so memory grows with the rows and not with the pairs.

Source: Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts"; drawing whole classes per step is ours.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.encoder import Encoder, embed
from trifold.engines.pooled_model import PooledModel, mean_model
from trifold.errors import SettingsError
from trifold.events import say
from trifold.methods.contract import Exportable, Fitted, Method
from trifold.methods.defaults import CONTRASTIVE, contrastive_steps
from trifold.methods.export_graph import HeadOnEncoder
from trifold.methods.linear_head import HeadData, LinearHead
from trifold.methods.logistic import fit_path
from trifold.methods.token_predictor import TokenPredictor
from trifold.methods.training_config import make_training_config
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import by_token_budget
from trifold.models.loading import save_model
from trifold.models.locate import find_backbone
from trifold.models.pooling import mean_of_windows, pool_tokens, window_shares
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.models.tokens import Tokens
from trifold.models.vocabulary_pruning import tokens_that_occur
from trifold.runtime import choose, seed_everything
from trifold.tasks.labels import LabelMap
from trifold.train.loop import train as train_model
from trifold.train.objective import BatchLoss
from trifold.types import Examples, single_texts

# Values of C (inverse regularisation strength) of the linear head.
_C_VALUES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Rows of each class in a step. A class needs two rows for a pair of its own.
_ROWS_OF_A_CLASS = 4
_NO_LIMIT = 1 << 30


class ContrastivePredictor(TokenPredictor):
    """A fine-tuned encoder with a linear head on the mean of its tokens."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        head: LinearHead,
        labels: LabelMap,
        settings: ComputeSettings,
        base: BackboneFiles,
    ) -> None:
        self.labels = labels
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._head = head
        self._settings = settings
        self._base = base

    def token_model(self) -> PooledModel:
        """See `TokenPredictor.token_model`."""
        return mean_model(self._encoder, self._tokenizer, self._settings, self._head.logits)

    def share(self, encoder: Encoder) -> None:
        """See `SharesEncoder.share`."""
        self._encoder = encoder

    def save(self, folder: Path) -> None:
        """Write the encoder as an ordinary Hugging Face folder, its tokenizer and the head."""
        save_model(self._encoder.model, folder)
        copy_tokenizer(self._base, folder)
        settings = {
            **self.labels.described(),
            **self._tokenizer.described(),
            "base": self._base.name,
            "base_revision": self._base.revision,
        }
        write_state(folder, settings, self._head.arrays())

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "ContrastivePredictor":
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        files = BackboneFiles(folder, str(settings["base"]), None, compute.trust_remote_code)
        encoder = Encoder(files, choose(compute.device, compute.precision))
        labels = LabelMap.saved(settings)
        head = LinearHead.saved(arrays, encoder.width, len(labels))
        return cls(encoder, Tokenizer.of(files, settings), head, labels, compute, files)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._head = self._head.cooled(temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self._head = replace(self._head, bias=self._head.bias + shift)

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`."""
        last_mean, windows = [(self._encoder.layers, "mean")], self._tokenizer.reads_windows
        module = HeadOnEncoder(self._encoder, last_mean, self._head.layers(), normalised=True, windows=windows)
        return Exportable(module.eval().cpu(), self._tokenizer, self._base)

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        weights: int = sum(tensor.nbytes for tensor in self._encoder.model.state_dict().values())
        return weights + sum(array.nbytes for array in self._head.arrays().values())


@dataclass(frozen=True)
class TextPairs:
    """Objective: vectors of one class should be parallel, vectors of two classes orthogonal.

    The positions of a step only say how many rows to draw. The rows come from a few classes, about equally from each.

    Attributes:
        tokens: The texts.
        classes: `(texts,)` class numbers.
        pad_id: The token id that shorter texts of a batch are padded with.
        device: The device to compute on.
        draws: Rows to draw in the whole training, counting repetitions.
        seed: Seed of the drawing.
        token_budget: The most tokens of one forward pass. All rows of a step are compared, however they are batched.
    """

    tokens: Tokens
    classes: np.ndarray
    pad_id: int
    device: str
    draws: int
    seed: int
    token_budget: int = _NO_LIMIT

    @property
    def lengths(self) -> np.ndarray:
        """One for each draw, since the rows of a step are compared with each other and must not be split by length."""
        return np.ones(self.draws, dtype=np.int64)

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """Mean squared distance of each pair's cosine from 1 (one class) or 0 (two classes).

        Pairs of one class and pairs of two classes have equal weight in total.
        """
        rows = self.draw(len(positions), np.random.default_rng([self.seed, int(positions[0])]))
        parts = by_token_budget(self.tokens.lengths[rows], self.token_budget)
        rows = rows[np.concatenate(parts)]
        vectors = torch.cat([self._vectors(model, part) for part in np.split(rows, np.cumsum([*map(len, parts)])[:-1])])
        cosines = vectors @ vectors.T
        same = torch.from_numpy(self.classes[rows][:, None] == self.classes[rows][None]).to(self.device)
        pairs = torch.from_numpy(rows[:, None] < rows[None]).to(self.device)
        kinds = [(cosines - target).square()[pairs & kind] for target, kind in ((1.0, same), (0.0, ~same))]
        means = [kind.mean() for kind in kinds if len(kind)]
        # A step that drew a single row has no pair; its loss is zero.
        mean = torch.stack(means).mean() if means else 0.0 * cosines.sum()
        return BatchLoss(mean * len(positions), torch.zeros_like(mean))

    def _vectors(self, model: torch.nn.Module, rows: np.ndarray) -> torch.Tensor:
        ids, mask = (tensor.to(self.device) for tensor in self.tokens.batch(rows, self.pad_id))
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        pooled = pool_tokens(states, mask, "mean")
        if self.tokens.windows is not None:
            pooled = mean_of_windows(pooled, window_shares(self.tokens.windows[rows]).to(self.device))
        return torch.nn.functional.normalize(pooled, dim=1)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """About `count` distinct rows: a few classes, and a few rows of each."""
        names = np.unique(self.classes)
        chosen = rng.permutation(names)[: max(2, count // _ROWS_OF_A_CLASS)]
        each = max(2, count // len(chosen))
        rows = [rng.permutation(np.flatnonzero(self.classes == name))[:each] for name in chosen]
        return np.concatenate(rows)


class Contrastive(Method):
    """Contrastive training on pairs of texts."""

    name = "contrastive"
    summary = "for few labels: pairs of texts teach the backbone what belongs together"
    predictor = ContrastivePredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        if labels.multi_label:
            raise SettingsError("contrastive cannot work here: rows have several labels, take another --method")
        chosen, given = self.settings.backbone, self.settings.train
        runtime = choose(chosen.device, chosen.precision)
        files = find_backbone(chosen)
        seed_everything(given.seed)
        encoder = Encoder(files, runtime, frozen=False)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        # The loop must not split the rows of a step, since rows in different micro-batches would form no pair.
        config = make_training_config(self.name, CONTRASTIVE, given, epochs=1, token_budget=_NO_LIMIT)
        budget = chosen.token_budget or runtime.token_budget
        steps = contrastive_steps(len(train)) * (given.epochs or 1)
        parts = [
            TextPairs(
                tokenizer.encode(part.texts),
                labels.encode(part.labels),
                tokenizer.pad_id,
                runtime.device,
                draws,
                0,
                budget,
            )
            for part, draws in ((train, steps * config.batch_size), (validation, config.batch_size))
        ]
        parameters = sum(p.numel() for p in encoder.model.parameters() if p.requires_grad)
        say(
            f"contrastive: {steps} steps of {config.batch_size} of the {len(train):,} texts, all compared with all, "
            f"learning rate {config.learning_rate:g}, {runtime.precision} on {runtime.device}"
        )
        with tokens_that_occur(encoder.model, [part.tokens for part in parts], tokenizer.pad_id) as tokens:
            objectives = [replace(part, tokens=own) for part, own in zip(parts, tokens, strict=True)]
            history, _ = train_model(encoder.model, objectives[0], objectives[1], config, runtime)
        encoder.end_training()
        vectors = [
            embed(encoder, tokenizer, single_texts(part.texts), chosen.token_budget)[0] for part in (train, validation)
        ]
        data = HeadData(vectors[0], parts[0].classes, vectors[1], parts[1].classes, len(labels))
        fitted = fit_path(data, _C_VALUES, tolerance=1e-4)
        return Fitted(
            predictor=ContrastivePredictor(encoder, tokenizer, fitted.head, labels, chosen, files),
            history=history,
            trainable_parameters=parameters + fitted.head.parameters(),
            choices={
                "learning_rate": config.learning_rate,
                "steps": steps,
                "batch_size": config.batch_size,
                "strength": fitted.c,
                "precision": runtime.precision,
            },
            validation_logits=fitted.head.logits(vectors[1]),
        )
