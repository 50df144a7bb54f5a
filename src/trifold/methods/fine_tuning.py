"""The base of full fine-tuning and the adapters: a model with a head, trained by the loop on labelled texts."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import Any, ClassVar

import numpy as np
import torch

from trifold.engines.classifier import Logits, classifier_engine
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.protocol import Weights
from trifold.engines.token_budget import Work, tuned_budget
from trifold.engines.token_model import LogitsModel
from trifold.errors import ArtifactError
from trifold.events import say
from trifold.formatting import counted
from trifold.hashing import file_sha256
from trifold.methods.classification_objective import Classification, above_frozen_prefix, with_tokens
from trifold.methods.contract import Exportable, Fitted, Method
from trifold.methods.defaults import Defaults, tuning_epochs
from trifold.methods.token_predictor import TokenPredictor
from trifold.methods.training_config import chosen_for, make_training_config
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import default_padding
from trifold.models.classification_head import starting_logits
from trifold.models.locate import find_backbone
from trifold.models.long_text import mean_over_windows
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens, named_inputs
from trifold.models.vocabulary_pruning import tokens_that_occur
from trifold.runtime import Runtime, choose, seed_everything
from trifold.tasks.labels import LabelMap, row_weights
from trifold.train.config import TrainingConfig
from trifold.train.loop import train as train_model
from trifold.types import Examples


class FineTunedPredictor(TokenPredictor):
    """A model whose forward pass computes logits.

    transformers' model is trained, saved and exported; where an engine of ours knows the architecture, logits come from
    that, as trained as well as loaded.

    Args:
        load: Gives transformers' model when it is first asked for; that takes `input_ids`, `attention_mask`
            and, of pairs, `token_type_ids`, and returns something with `logits`.
        tokenizer: The backbone's.
        labels: Labels of the task, in class order.
        settings: How it is run.
        runtime: Device and precision.
        base: The backbone that it was trained from, or the folder that it was loaded from.
        saved: The weights in `base` as an engine may compute them. Where there are none, the model is loaded at once.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        tokenizer: Tokenizer,
        labels: LabelMap,
        settings: ComputeSettings,
        runtime: Runtime,
        base: BackboneFiles,
        saved: ClassifierWeights | None = None,
    ) -> None:
        self.labels = labels
        self.base = base
        self._load = load
        self._tokenizer = tokenizer
        self._settings = settings
        self._runtime = runtime
        self._logits: Logits | None = None
        # Threads may share a predictor; the first of them to need the engine builds it.
        self._lock = RLock()
        if saved is not None:
            self._logits = self._engine(saved)
        else:
            self.model  # noqa: B018 - loaded now, so that a damaged model is refused now

    @cached_property
    def model(self) -> Any:
        """The model of transformers, in evaluation mode."""
        return self._load().to(self._runtime.device).eval()

    def weights(self) -> ClassifierWeights | None:
        """The model's weights as an engine may compute them."""
        return ClassifierWeights(Weights(self.model.config.to_dict(), self.model.state_dict()))

    def token_model(self) -> LogitsModel:
        """See `TokenPredictor.token_model`."""
        with self._lock:
            if self._logits is None:
                self._logits = self._engine(self.weights())
            run = self._logits
        pad_id, pad_to = self._tokenizer.pad_id, default_padding(self._runtime)

        def forward(tokens: Tokens, positions: np.ndarray) -> np.ndarray:
            return mean_over_windows(run(*tokens.padded(positions, pad_id, pad_to)), tokens.windows_of(positions))

        budget = self._settings.token_budget or self._runtime.token_budget
        return LogitsModel(
            tokenizer=self._tokenizer,
            token_budget=budget,
            classes=len(self.labels),
            forward=forward,
            module=run.module if self._runtime.device == "cpu" else None,
        )

    def _engine(self, weights: ClassifierWeights | None) -> Logits:
        return classifier_engine(weights, len(self.labels), self._runtime, lambda: self.model)

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """The model, to change its parameters inside the block; afterwards its engine is built anew."""
        yield self.model
        self._logits = None

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`."""
        module = _Logits(self.model, windows=self._tokenizer.reads_windows)
        return Exportable(module.eval().cpu(), self._tokenizer, self.base)

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())

    def saved_settings(self) -> dict[str, object]:
        """What every fine-tuned predictor needs to be loaded again, apart from its weights."""
        return {
            **self.labels.described(),
            **self._tokenizer.described(),
            "base": self.base.name,
            "base_revision": self.base.revision,
        }


def require_classes(found: int, labels: LabelMap, files: BackboneFiles) -> None:
    """Refuse a saved model whose number of classes is not its number of labels.

    Raises:
        ArtifactError: If the numbers differ.
    """
    if found != len(labels):
        raise ArtifactError(
            f"the model in {files.folder} has {found} classes and {len(labels)} labels: train again, or restore it"
        )


class _Logits(torch.nn.Module):
    """A classifier with positional arguments that returns the logits alone, as an exported graph needs it.

    Args:
        model: The classifier.
        windows: Whether the batch is the windows of one text, whose logits are averaged.
    """

    def __init__(self, model: Any, *, windows: bool) -> None:
        super().__init__()
        self.model, self.windows = model, windows

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` ids, mask and, of pairs, token types to `(batch, classes)`; `(1, classes)` of windows."""
        logits: torch.Tensor = self.model(**named_inputs(given)).logits.float()
        return logits.mean(0, keepdim=True) if self.windows else logits


class FineTuning(Method):
    """A method that trains some of a model's parameters with the training loop.

    Attributes:
        defaults: The method's values for what the user did not set.
    """

    defaults: ClassVar[Defaults]

    @abstractmethod
    def build(self, files: BackboneFiles, labels: LabelMap, start: np.ndarray | None) -> Any:
        """The model before training; its parameters that require a gradient are trained.

        Args:
            files: The backbone.
            labels: Labels of the task.
            start: `(classes,)`, the logits that its head starts at; `None` leaves the head as initialised.
        """

    @abstractmethod
    def head(self, model: Any) -> Collection[str]:
        """Names of the head's parameters, trained at `head_rate` times the learning rate; some may be frozen."""

    @abstractmethod
    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> FineTunedPredictor:
        """The trained model as a predictor."""

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        chosen, given = self.settings.backbone, self.settings.train
        runtime = choose(chosen.device, chosen.precision)
        files = find_backbone(chosen)
        seed_everything(given.seed)
        targets = [self._targets(part, labels) for part in (train, validation)]
        start = starting_logits(*targets[0], len(labels))
        model = self.build(files, labels, start).to(runtime.device)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        parts = zip((train, validation), targets, strict=True)
        objectives = [Classification.of(part.texts, *target, tokenizer, runtime) for part, target in parts]
        given = self.settings.train
        epochs = given.epochs or tuning_epochs(len(train))
        budget = tuned_budget(chosen, self._work(model, objectives[0], epochs, files, runtime))
        config = make_training_config(self.name, self.defaults, given, epochs=epochs, token_budget=budget)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self._announce(config, parameters, len(train), files, runtime)
        with (
            tokens_that_occur(model, [part.tokens for part in objectives], tokenizer.pad_id) as tokens,
            above_frozen_prefix(self.name, model, with_tokens(objectives, tokens), runtime, files, chosen) as started,
        ):
            history, figures = train_model(
                model, started.objectives[0], started.objectives[1], config, runtime, self.head(model)
            )
        assert figures.logits is not None
        return Fitted(
            predictor=self.wrap(model, tokenizer, labels, runtime, files),
            history=history,
            trainable_parameters=parameters,
            choices={
                **chosen_for(config, history, runtime),
                "head_learning_rate": config.head_rate * config.learning_rate,
                **started.choices,
            },
            validation_logits=figures.logits,
            cached_seconds=started.cached_seconds,
        )

    def _announce(
        self, config: TrainingConfig, parameters: int, texts: int, files: BackboneFiles, runtime: Runtime
    ) -> None:
        head_rate = config.head_rate * config.learning_rate
        say(
            f"{self.name}: training {parameters:,} parameters on top of {files.name} with {texts:,} texts, "
            f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g} ({head_rate:g} in the head), "
            f"batch {config.batch_size}, {runtime.precision} on {runtime.device}, "
            f"{config.token_budget:,} tokens at once"
        )

    def shifts(self, labels: LabelMap) -> bool:
        """Whether the logits are shifted after training, for which the last layer needs a bias."""
        return self.settings.train.class_weight == "balanced" and not labels.multi_label

    @property
    def _batch_size(self) -> int:
        """Texts of an optimiser step."""
        return self.settings.train.batch_size or self.defaults.batch_size

    def _targets(self, part: Examples, labels: LabelMap) -> tuple[np.ndarray, np.ndarray]:
        """The classes of a part's rows, and the weight of each row."""
        classes = labels.encode(part.labels)
        return classes, row_weights(classes, self.settings.train.class_weight)

    def _work(self, model: Any, training: Classification, epochs: int, files: BackboneFiles, runtime: Runtime) -> Work:
        """A forward and a backward pass to measure, which leave model and random generators unchanged."""

        def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
            model.train()
            with torch.random.fork_rng():
                with runtime.autocast():
                    given = named_inputs(torch.from_numpy(array).to(runtime.device) for array in (ids, mask))
                    total = model(**given).logits.float().sum()
                total.backward()
                total.detach().item()
            model.zero_grad(set_to_none=True)

        shape = file_sha256(files.folder / "config.json")
        lengths = training.tokens.window_lengths(np.arange(len(training.tokens)))
        return Work(self.name, shape, runtime, lengths, epochs, attempt, self._batch_size)
