"""`full`: every parameter of the backbone is trained, under the library's own classification head.

The saved model is an ordinary Hugging Face folder and loads in plain transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from trifold.artifact.arrays import read_state, write_state
from trifold.backbone.batches import by_token_budget
from trifold.backbone.classifier import new_classifier, saved_classifier
from trifold.backbone.locate import BackboneFiles, locate
from trifold.backbone.settings import ComputeSettings
from trifold.backbone.tokens import Tokenizer, Tokens
from trifold.methods.contract import Fitted, Method, MethodSettings, Predictor, Scores
from trifold.methods.defaults import FULL_BATCH_SIZE, FULL_LEARNING_RATE, full_epochs
from trifold.progress import say
from trifold.runtime import Runtime, choose, seed_everything
from trifold.tasks.labels import LabelMap
from trifold.train.loop import BatchLoss, Plan
from trifold.train.loop import train as train_model
from trifold.types import Examples, Label

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)


class FullPredictor(Predictor):
    """A fine-tuned encoder with the library's sequence-classification head."""

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        labels: LabelMap,
        settings: ComputeSettings,
        runtime: Runtime,
        base: BackboneFiles,
    ) -> None:
        self.labels = labels
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._settings = settings
        self._runtime = runtime
        self._base = base

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> Scores:
        """See `Predictor.score`."""
        tokens = self._tokenizer.encode(texts)
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for batch in by_token_budget(tokens.lengths, self._settings.token_budget):
            ids, mask = (t.to(self._runtime.device) for t in tokens.batch(batch, self._tokenizer.pad_id))
            with self._runtime.autocast():
                logits[batch] = self._model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
        return Scores(logits, tokens.truncated)

    def save(self, folder: Path) -> None:
        """Write the model, its tokenizer, and the labels as they are in the data."""
        self._model.save_pretrained(folder)
        for name in _TOKENIZER_FILES:
            source = self._base.folder / name
            if source.exists():
                (folder / name).write_bytes(source.read_bytes())
        settings: dict[str, object] = {
            "labels": list(self.labels.names),
            "max_length": self._tokenizer.max_length,
            "base": self._base.name,
            "base_revision": self._base.revision,
        }
        write_state(folder, settings, {})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "FullPredictor":
        """See `Predictor.load`."""
        settings, _ = read_state(folder)
        files = BackboneFiles(folder, str(settings["base"]), None)
        runtime = choose(compute.device, compute.precision)
        model = saved_classifier(files).to(runtime.device)
        labels: list[Label] = settings["labels"]  # type: ignore[assignment]
        tokenizer = Tokenizer(files, int(settings["max_length"]))  # type: ignore[call-overload]
        return cls(model, tokenizer, LabelMap(tuple(labels)), compute, runtime, files)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return sum(tensor.nbytes for tensor in self._model.state_dict().values())


@dataclass(frozen=True)
class _Classification:
    """Objective: cross-entropy of a sequence classifier on tokenised, labelled texts."""

    tokens: Tokens
    classes: torch.Tensor
    pad_id: int
    device: str

    @property
    def lengths(self) -> np.ndarray:
        return self.tokens.lengths

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        ids, mask = (tensor.to(self.device) for tensor in self.tokens.batch(positions, self.pad_id))
        classes = self.classes[positions].to(self.device)
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        correct = int((logits.argmax(1) == classes).sum())
        return BatchLoss(cross_entropy(logits, classes, reduction="sum"), correct, logits, classes)


class Full(Method):
    """Full fine-tuning."""

    name = "full"
    summary = "the whole backbone is trained"
    predictor = FullPredictor

    def fit(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.fit`."""
        chosen = self.settings.backbone
        runtime = choose(chosen.device, chosen.precision)
        files = locate(chosen.model, offline=chosen.offline)
        seed_everything(self.settings.train.seed)
        model = new_classifier(files, labels.names).to(runtime.device)
        tokenizer = Tokenizer(files, chosen.max_length)
        objectives = [
            _Classification(
                tokenizer.encode(part.texts),
                torch.from_numpy(labels.encode(part.labels)),
                tokenizer.pad_id,
                runtime.device,
            )
            for part in (train, validation)
        ]
        plan = _plan(self.settings, len(train))
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        say(
            f"full: training {parameters:,} parameters of {files.name} on {len(train):,} texts, {plan.epochs} epochs, "
            f"learning rate {plan.learning_rate:g}, batch {plan.batch_size}, {runtime.precision} on {runtime.device}"
        )
        history = train_model(model, objectives[0], objectives[1], plan, runtime)
        return Fitted(
            predictor=FullPredictor(model, tokenizer, labels, chosen, runtime, files),
            history=history,
            trainable_parameters=parameters,
            choices={
                "learning_rate": plan.learning_rate,
                "epochs": plan.epochs,
                "batch_size": plan.batch_size,
                "best_epoch": history.best_epoch,
                "stopped_early": history.stopped_early,
                "precision": runtime.precision,
            },
        )


def _plan(settings: MethodSettings, rows: int) -> Plan:
    given = settings.train
    return Plan(
        learning_rate=given.learning_rate or FULL_LEARNING_RATE,
        epochs=given.epochs or full_epochs(rows),
        batch_size=given.batch_size or FULL_BATCH_SIZE,
        token_budget=settings.backbone.token_budget,
        seed=given.seed,
        weight_decay=given.weight_decay,
        warmup_ratio=given.warmup_ratio,
        max_grad_norm=given.max_grad_norm,
        ema_decay=given.ema_decay,
        patience=given.patience,
    )
