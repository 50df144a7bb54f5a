"""What full fine-tuning and adapters share: a model with a head, trained by the loop on labelled texts."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from threading import RLock
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from trifold.engines.fast_bert_classifier import FastBertClassifier, Run, classifier_of, logits_by
from trifold.engines.token_budget import Work, tuned_budget
from trifold.errors import ArtifactError
from trifold.events import say
from trifold.features.prefix_cache import PrefixCache, PrefixStates, frozen_depth
from trifold.formatting import counted
from trifold.methods.contract import Exportable, Fitted, Method, Predictor, Scores
from trifold.methods.defaults import Defaults, tuning_epochs
from trifold.methods.training_config import make_training_config
from trifold.models.batching import PadTo, by_token_budget, default_padding
from trifold.models.classification_head import starting_logits
from trifold.models.locate import BackboneFiles, file_sha256, find_backbone
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer, Tokens
from trifold.models.vocabulary_pruning import tokens_that_occur
from trifold.runtime import Runtime, choose, limit_matmul_cache, seed_everything
from trifold.tasks.labels import LabelMap, row_weights
from trifold.train.loop import train as train_model
from trifold.train.objective import BatchLoss, Capturable, classification_loss
from trifold.train.warm_up import warming_up
from trifold.types import Examples


class FineTunedPredictor(Predictor):
    """A model whose forward pass gives logits.

    A BERT is read without transformers, as trained as well as loaded; transformers' model is there for whatever else is
    done with it, and where we do not know the architecture.

    Args:
        load: Gives transformers' model when it is first asked for; that takes `input_ids` and `attention_mask`, and
            returns something with `logits`.
        tokenizer: The backbone's.
        labels: Of the task.
        settings: How it is run.
        runtime: Where the model is.
        base: The backbone it was made from, or the folder it was loaded from.
        classifier: The same model as we read it. Where there is none, the model is loaded at once.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        tokenizer: Tokenizer,
        labels: LabelMap,
        settings: ComputeSettings,
        runtime: Runtime,
        base: BackboneFiles,
        classifier: FastBertClassifier | None = None,
    ) -> None:
        self.labels = labels
        self.base = base
        self._load = load
        self._tokenizer = tokenizer
        self._settings = settings
        self._runtime = runtime
        self._classifier = classifier
        self._run: Run | None = None
        # Threads may share a predictor, and the first of them lays its weights out.
        self._lock = RLock()
        if classifier is not None:
            require_classes(classifier.classes, labels, base)
        else:
            self.model  # noqa: B018 - what is wrong with it is said now

    @cached_property
    def model(self) -> Any:
        """As transformers has it, in evaluation mode."""
        return self._load().to(self._runtime.device).eval()

    def read(self) -> FastBertClassifier | None:
        """The model as we read it, where that is known."""
        return classifier_of(self.model.config.to_dict(), self.model.state_dict())

    def score(self, texts: Sequence[str]) -> Scores:
        """See `Predictor.score`."""
        tokens, run = self._tokenizer.encode(texts), self._forward()
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for batch in by_token_budget(tokens.lengths, self._settings.token_budget or self._runtime.token_budget):
            logits[batch] = run(*tokens.padded(batch, self._tokenizer.pad_id, default_padding(self._runtime)))
        return Scores(logits, tokens.truncated)

    def _forward(self) -> Run:
        """From padded ids and their mask to logits."""
        with self._lock:
            if self._run is None:
                classifier = self._classifier or self.read()
                self._run = self._by_transformers if classifier is None else logits_by(classifier, self._runtime)
            return self._run

    @torch.inference_mode()
    def _by_transformers(self, *given: np.ndarray) -> np.ndarray:
        ids, mask = (torch.from_numpy(array).to(self._runtime.device) for array in given)
        with self._runtime.autocast():
            logits: np.ndarray = self.model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
        return logits

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """The model, of which the numbers are changed inside: it is read anew afterwards."""
        yield self.model
        self._classifier = self._run = None

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`."""
        return Exportable(_Logits(self.model).eval().cpu(), self._tokenizer, self.base)

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())

    def saved_settings(self) -> dict[str, object]:
        """What every such predictor needs to come back, beside its weights."""
        return {
            **self.labels.described(),
            **self._tokenizer.described(),
            "base": self.base.name,
            "base_revision": self.base.revision,
        }


def require_classes(found: int, labels: LabelMap, files: BackboneFiles) -> None:
    """Refuse a saved model that has other classes than its labels say.

    Raises:
        ArtifactError: If it does.
    """
    if found != len(labels):
        raise ArtifactError(
            f"the model in {files.folder} has {found} classes and {len(labels)} labels: train again, or restore it"
        )


class _Logits(torch.nn.Module):
    """A classifier that takes its arguments in order and returns nothing but the logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` ids and mask to `(batch, classes)`."""
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).logits.float()
        return logits


@dataclass(frozen=True)
class _Classification(Capturable):
    """Objective: cross-entropy of a sequence classifier on tokenised, labelled texts.

    Attributes:
        pad_to: Of the lengths of batches.
        states: Of each text below the first trained layer, where they are computed once.
        give: Hands a batch of them to the model.
    """

    tokens: Tokens
    classes: torch.Tensor
    weights: torch.Tensor
    pad_id: int
    pad_to: PadTo
    states: PrefixStates | None = None
    give: Callable[[torch.Tensor], None] | None = None

    @property
    def lengths(self) -> np.ndarray:
        return self.tokens.lengths

    def inputs(self, positions: np.ndarray, pad_to: PadTo | None = None) -> list[torch.Tensor]:
        ids, mask = self.tokens.batch(positions, self.pad_id, pad_to or self.pad_to)
        # Where nothing is padding, attention is sooner done without a mask; one of no tokens stands for that.
        mask = mask[:, :0] if mask.all() else mask
        below = [] if self.states is None else [self.states.batch(positions, ids.shape[1])]
        return [ids, mask, self.classes[positions], self.weights[positions], *below]

    def loss_of(self, model: torch.nn.Module, inputs: list[torch.Tensor]) -> BatchLoss:
        ids, mask, classes, weights, *below = inputs
        if self.states is not None and self.give is not None:
            self.give(self.states.padded(below[0]))
        logits = model(input_ids=ids, attention_mask=mask if mask.numel() else None).logits.float()
        return classification_loss(logits, classes, weights)


class _Begun(NamedTuple):
    """Objectives that start above what is frozen, where that is computed once.

    Attributes:
        parts: To train on, and to validate on.
        cached_seconds: What computing what came from the cache once took.
        choices: Facts on it for the run.
    """

    parts: list[_Classification]
    cached_seconds: float = 0.0
    choices: Mapping[str, object] = MappingProxyType({})


def _with_tokens(parts: list[_Classification], tokens: list[Tokens]) -> list[_Classification]:
    return [replace(part, tokens=own) for part, own in zip(parts, tokens, strict=True)]


class FineTuning(Method):
    """A method that trains some of a model's parameters by steps.

    Attributes:
        defaults: What it does where the user names nothing.
    """

    defaults: ClassVar[Defaults]

    @abstractmethod
    def build(self, files: BackboneFiles, labels: LabelMap, start: np.ndarray | None) -> Any:
        """The model before training; its parameters that require a gradient are trained.

        Args:
            files: The backbone.
            labels: Of the task.
            start: `(classes,)`, the logits its head is to begin at; as it comes where `None`.
        """

    @abstractmethod
    def head(self, model: Any) -> Collection[str]:
        """Names of the parameters that move at the defaults' `head_rate`; what is frozen may be among them."""

    @abstractmethod
    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> FineTunedPredictor:
        """The trained model as a predictor."""

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        chosen = self.settings.backbone
        runtime = choose(chosen.device, chosen.precision)
        files = find_backbone(chosen)
        seed_everything(self.settings.train.seed)
        targets = [self._targets(part, labels) for part in (train, validation)]
        with warming_up(runtime, files, self._batch_size, chosen.max_length):
            start = starting_logits(*targets[0], len(labels))
            model = self.build(files, labels, start).to(runtime.device)
        tokenizer = Tokenizer(files, chosen.max_length, chosen.long_text)
        tokenizer.require_words(train.texts)
        parts = zip((train, validation), targets, strict=True)
        objectives = [_objective(part.texts, *target, tokenizer, default_padding(runtime)) for part, target in parts]
        if self.defaults.small_matmul_cache:
            limit_matmul_cache(int(np.median(objectives[0].lengths)))
        given = self.settings.train
        epochs = given.epochs or tuning_epochs(len(train))
        budget = tuned_budget(chosen, self._work(model, objectives[0], epochs, files, runtime))
        config = make_training_config(self.name, self.defaults, given, epochs=epochs, token_budget=budget)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        head_rate = config.head_rate * config.learning_rate
        say(
            f"{self.name}: training {parameters:,} parameters on top of {files.name} with {len(train):,} texts, "
            f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g} ({head_rate:g} in the head), "
            f"batch {config.batch_size}, {runtime.precision} on {runtime.device}, "
            f"{config.token_budget:,} tokens at once"
        )
        with (
            tokens_that_occur(model, [part.tokens for part in objectives], tokenizer.pad_id) as tokens,
            self._prefix(model, _with_tokens(objectives, tokens), runtime, files) as begun,
        ):
            history, figures = train_model(model, begun.parts[0], begun.parts[1], config, runtime, self.head(model))
        assert figures.logits is not None
        return Fitted(
            predictor=self.wrap(model, tokenizer, labels, runtime, files),
            history=history,
            trainable_parameters=parameters,
            choices={
                "learning_rate": config.learning_rate,
                "head_learning_rate": head_rate,
                "epochs": config.epochs,
                "batch_size": config.batch_size,
                "token_budget": config.token_budget,
                "best_epoch": history.best_epoch,
                "stopped_early": history.stopped_early,
                "precision": runtime.precision,
                **begun.choices,
            },
            validation_logits=figures.logits,
            cached_seconds=begun.cached_seconds,
        )

    def shifts(self, labels: LabelMap) -> bool:
        """Whether the trained logits are shifted in the end, for which their layer needs a bias."""
        return self.settings.train.class_weight == "balanced" and not labels.multi_label

    @property
    def _batch_size(self) -> int:
        """Texts of a step."""
        return self.settings.train.batch_size or self.defaults.batch_size

    def _targets(self, part: Examples, labels: LabelMap) -> tuple[np.ndarray, np.ndarray]:
        """The classes of a part's rows, and how much each row counts."""
        classes = labels.encode(part.labels)
        return classes, row_weights(classes, self.settings.train.class_weight)

    def _work(self, model: Any, training: _Classification, epochs: int, files: BackboneFiles, runtime: Runtime) -> Work:
        """A step forward and back, after which model and random generators stand as they stood."""

        def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
            model.train()
            with torch.random.fork_rng():
                with runtime.autocast():
                    given = (torch.from_numpy(array).to(runtime.device) for array in (ids, mask))
                    total = model(**dict(zip(("input_ids", "attention_mask"), given, strict=True))).logits.float().sum()
                total.backward()
                total.detach().item()
            model.zero_grad(set_to_none=True)

        shape = file_sha256(files.folder / "config.json")
        return Work(self.name, shape, runtime, training.lengths, epochs, attempt, self._batch_size)

    @contextmanager
    def _prefix(
        self, model: Any, parts: list[_Classification], runtime: Runtime, files: BackboneFiles
    ) -> Iterator[_Begun]:
        """The same objectives, starting above what is frozen wherever its states can be computed once and kept."""
        depth, tokens = frozen_depth(model), [part.tokens for part in parts]
        prefix = PrefixCache(model, depth, runtime) if depth and self.settings.backbone.cache else None
        if prefix is None or not prefix.fits(tokens[0], parts[0].pad_id):
            yield _Begun(parts)
            return
        chosen = self.settings.backbone
        if not prefix.has_room(tokens, chosen):
            say(f"note: so every epoch computes the lowest {depth} layers anew")
            yield _Begun(parts)
            return
        say(f"{self.name}: the lowest {depth} layers are frozen and computed once")
        started = time.monotonic()
        with ExitStack() as inside:
            found = [inside.enter_context(prefix.computed(part, parts[0].pad_id, files, chosen)) for part in tokens]
            cached_seconds = sum(one.cached_seconds for one in found)
            seconds = time.monotonic() - started + cached_seconds
            give = inside.enter_context(prefix.replayed())
            states = (PrefixStates(one.arrays, runtime) for one in found)
            replayed = [replace(part, states=one, give=give) for part, one in zip(parts, states, strict=True)]
            yield _Begun(replayed, cached_seconds, {"prefix_layers": depth, "prefix_seconds": round(seconds, 3)})


def _objective(
    texts: Sequence[str], classes: np.ndarray, weights: np.ndarray, tokenizer: Tokenizer, pad_to: PadTo
) -> _Classification:
    tokens = tokenizer.encode(texts)
    return _Classification(tokens, torch.from_numpy(classes), torch.from_numpy(weights), tokenizer.pad_id, pad_to)
