"""`TextClassifier`: any method behind scikit-learn's estimator interface."""

import shutil
import tempfile
import warnings
import weakref
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from trifold.artifact.run_folder import best_run, new_folder
from trifold.artifact.run_record import (
    NEVER_FROM_A_RUN,
    RUN,
    ClassifierRecord,
    as_record,
    read_run_record,
    write_run_record,
)
from trifold.data.in_memory import targets_of, texts_of
from trifold.data.split import split_train_validation
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.inference.predict import load_run, require_labels, score_texts
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry, method_name
from trifold.methods.contract import Predictor
from trifold.methods.settings import MethodSettings
from trifold.methods.unused_settings import unused
from trifold.models.settings import ComputeSettings
from trifold.pipeline.request import versions
from trifold.runtime import hardware, prepared
from trifold.statistics.metrics import main_score
from trifold.tasks.labels import LabelMap
from trifold.train.tracking import reporting
from trifold.types import Examples, labels_of

_NO_LLM = LlmSettings()


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learn labels of texts by one of Trifold's methods.

    A fifth of the rows given to `fit` is held out as validation, on which settings and checkpoints are chosen.

    The parameters are those of the command line, with the same names and defaults; `fit` warns of those that the method
    does not use. Texts and labels may come as a list, an iterator, a NumPy or Arrow array, a Series, or a table of one
    column. It can be pickled, with all that `save` would write, and leaves the process as it was.

    Args:
        method: `tfidf`, `zero-shot`, `features`, `adapter-lora`, `adapter-bottleneck`, `contrastive`, `full`
            or `prompt`.
        model: Backbone: `minilm`, a folder, or a hub id.
        revision: Of a model from the hub.
        max_length: Tokens of a text that are read.
        long_text: What is read of longer ones: `truncate` or `head+tail`.
        engine: What runs a frozen backbone: `torch`, or on a CPU `onnx` (ONNX Runtime) or `int8` (8-bit integers).
        cache: Keep on disk what a frozen backbone computes of a text.
        cache_gigabytes: What the cache may take.
        learning_rate: At the peak; `None` for the method's default.
        epochs: `None` for the method's default.
        batch_size: Examples per optimiser step; `None` for the method's default.
        seed: Of everything random in training.
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of the steps over which the learning rate rises.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Share of the averaged weights that each step keeps; 0 keeps the last weights.
        class_weight: `none`, or `balanced` to name rare classes as readily as serves macro-F1.
        self_distillation: Share of a text's target that by the last epoch is what the model said of it one epoch
            before; each method has its own default.
        patience: Epochs without a better validation loss before training stops.
        report_to: Experiment tracker that gets the figures, too: `tensorboard`, `mlflow`, `trackio` or `wandb`.
        head: For `features`: `auto`, `logistic` or `mlp`.
        train_layers: For `full`: train only so many layers, from the top.
        freeze_embeddings: For `full`: leave the word vectors as they are.
        adapter_layers: For adapters: put them into so many layers, from the top.
        adapter_size: For adapters: rank or width.
        merge_adapter: For `adapter-lora`: add the adapters into the backbone when done.
        label_description: For `zero-shot` and `prompt`: `("LABEL=what it means", …)`.
        llm: For `prompt`: `hf:NAME-OR-FOLDER`, or `openai:BASE_URL#MODEL`.
        api_key_env: Environment variable that holds the server's key.
        max_tokens: Length of a server's answer.
        temperature: 0 takes the likeliest word each time.
        concurrency: Calls to a server under way at the same time.
        timeout_seconds: What a server has for an answer.
        retries: How often a call that failed is made again.
        max_calls: Stop before another call is made.
        max_seconds: Stop asking after so long.
        price: `"PROMPT,ANSWER"`: money for a million tokens of each.
        log: SQLite file for every prompt and answer.
        prompt: Prompt file; a plain one is made from the labels where `None`.
        shots: Labelled examples shown in each prompt.
        shot_choice: `balanced`, `random` or `nearest`.
        votes: Answers of a server for each text.
        calibrate: Take off what a local model would say of no text at all.
        cloze: For masked models: the text, and the gap that a label's word has to fill.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `float32` or `bfloat16`.
        token_budget: Tokens of one forward pass; by default what is fastest on this machine.
        offline: Open no connection.
        trust_remote_code: Run classes that a model brings with it: only if you have read that code and trust it.

    Attributes:
        classes_: `(classes,)` labels as given, in the order of `predict_proba`'s columns.
    """

    def __init__(
        self,
        method: str = "features",
        model: str = "minilm",
        *,
        revision: str | None = None,
        max_length: int = 250,
        long_text: str = "truncate",
        engine: str = "torch",
        cache: bool = True,
        cache_gigabytes: float = 10.0,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        seed: int = 42,
        weight_decay: float = 0.01,
        warmup_ratio: float = 0.1,
        max_grad_norm: float = 1.0,
        ema_decay: float = 0.99,
        class_weight: str = "none",
        self_distillation: float | None = None,
        patience: int = 2,
        report_to: str = "none",
        head: str = "auto",
        train_layers: int | None = None,
        freeze_embeddings: bool = False,
        adapter_layers: int | None = None,
        adapter_size: int | None = None,
        merge_adapter: bool = False,
        label_description: tuple[str, ...] = (),
        llm: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        max_tokens: int = 256,
        temperature: float = 0.0,
        concurrency: int = 4,
        timeout_seconds: float = 60.0,
        retries: int = 4,
        max_calls: int | None = None,
        max_seconds: float | None = None,
        price: str | None = None,
        log: Path | None = None,
        prompt: Path | None = None,
        shots: int = 0,
        shot_choice: str = "balanced",
        votes: int = 1,
        calibrate: bool = True,
        cloze: str = "{text} All in all, it was {mask}.",
        device: str = "auto",
        precision: str = "auto",
        token_budget: int | None = None,
        offline: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        self.method = method
        self.model = model
        self.revision = revision
        self.max_length = max_length
        self.long_text = long_text
        self.engine = engine
        self.cache = cache
        self.cache_gigabytes = cache_gigabytes
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.class_weight = class_weight
        self.self_distillation = self_distillation
        self.patience = patience
        self.report_to = report_to
        self.head = head
        self.train_layers = train_layers
        self.freeze_embeddings = freeze_embeddings
        self.adapter_layers = adapter_layers
        self.adapter_size = adapter_size
        self.merge_adapter = merge_adapter
        self.label_description = label_description
        self.llm = llm
        self.api_key_env = api_key_env
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.concurrency = concurrency
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.max_calls = max_calls
        self.max_seconds = max_seconds
        self.price = price
        self.log = log
        self.prompt = prompt
        self.shots = shots
        self.shot_choice = shot_choice
        self.votes = votes
        self.calibrate = calibrate
        self.cloze = cloze
        self.device = device
        self.precision = precision
        self.token_budget = token_budget
        self.offline = offline
        self.trust_remote_code = trust_remote_code

    def fit(self, X: Any, y: Any) -> "TextClassifier":
        """Learn from texts and their labels.

        Args:
            X: `(rows,)` texts, none empty.
            y: `(rows,)` labels, all strings, all integers or all booleans, at least two distinct; or a list, tuple or
                set of them a row.

        Raises:
            DataError: If the two differ in length, a text is empty, or the labels make no task.
            SettingsError: If a parameter has a value that it cannot have.
        """
        settings, name = self._settings(), method_name(self.method)
        ignored = unused([name], *settings.method_groups.values())
        if ignored:
            warnings.warn(f"{name} does not use {', '.join(ignored)}", UserWarning, stacklevel=2)
        examples, kind = _examples(X, y)
        train, validation = split_train_validation(examples)
        labels, started = LabelMap.of(examples.labels), datetime.now(UTC)
        with self._at_work(), reporting(self.report_to, f"TextClassifier-{name}", settings.named()):
            fitted = method_entry(name).load()(settings).fit(train, validation, labels)
        self._predictor: Predictor = fitted.predictor
        self.classes_ = _as_classes(labels, kind)
        fitted_labels = fitted.predictor.labels
        self._record = ClassifierRecord(
            method=name,
            command="TextClassifier.fit",
            started=started.isoformat(timespec="seconds"),
            settings=as_record(settings.named()),
            seed=settings.train.seed,
            labels=list(fitted_labels.names),
            multi_label=fitted_labels.multi_label or None,
            thresholds=list(fitted_labels.thresholds) if fitted_labels.multi_label else None,
            label_type=str(self.classes_.dtype),
            score_name=main_score(list(examples.label_counts().values()), multi_label=labels.multi_label),
            choices=fitted.choices,
            trainable_parameters=fitted.trainable_parameters,
            versions=versions(),
            hardware=hardware(),
        )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of each class for texts, `(rows, classes)`; columns as in `classes_`."""
        predictor, texts = self._fitted(), texts_of(X)
        with self._at_work():
            return predictor.labels.probabilities(score_texts(predictor, texts).logits)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each text, `(rows,)`; in a multi-label task an array of tuples of labels."""
        labels = self._fitted().labels
        decided = labels.decide(self.predict_proba(X))
        if not labels.multi_label:
            likeliest: np.ndarray = self.classes_[decided]
            return likeliest
        found = np.empty(len(decided), dtype=object)
        found[:] = labels.decode(decided)
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the texts that are labelled rightly; of several labels a row, all of them must be.

        Args:
            X: `(rows,)` texts.
            y: `(rows,)` labels, as for `fit`.
            sample_weight: `(rows,)`, how much each counts; all alike where `None`.

        Raises:
            DataError: If the model knows none of the labels.
        """
        labels = self._fitted().labels
        examples, _ = _examples(X, y)
        if not examples.label_counts().keys() & set(labels.names) and any(map(labels_of, examples.labels)):
            known = ", ".join(repr(name) for name in labels.names[:8])
            raise DataError(f"the model knows none of the labels given: it knows {known}, of this very type")
        answers = labels.decode(labels.decide(self.predict_proba(examples.texts)))
        pairs = zip(answers, examples.labels, strict=True)
        right = [set(labels_of(answer)) == set(labels_of(truth)) for answer, truth in pairs]
        return float(np.average(right, weights=sample_weight))

    def save(self, path: str | Path) -> None:
        """Write a run folder that `load`, and the command line's `predict`, `export` and `bench`, take.

        Raises:
            SettingsError: If `path` exists and is not an empty folder.
        """
        predictor, target = self._fitted(), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise SettingsError(f"{target} exists and is not empty: name another path or remove it")
        with new_folder(target) as folder, self._at_work():
            predictor.save(folder / "model")
            write_run_record(folder, self._record)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        llm: str | None = None,
        api_key_env: str = _NO_LLM.api_key_env,
        offline: bool = False,
        trust_remote_code: bool = False,
    ) -> "TextClassifier":
        """Read back what `save`, `trifold finetune` or `trifold compare` wrote, with its parameters.

        A folder may come from anyone, so it has no say in which server is asked, with which key, in what is logged or
        reported, nor in whether foreign code is run: of those parameters, what is given here holds, or the default.

        Args:
            path: The folder.
            device: Where to compute; as it was trained where `None`.
            llm: For a run that asks a server: `openai:BASE_URL#MODEL`.
            api_key_env: Environment variable that holds the server's key.
            offline: Never open a connection to fetch the model that it stands on; nor does one trained so.
            trust_remote_code: As in the class.

        Raises:
            UnnamedServerError: If it asks a server, and `llm` names none.
            ArtifactError: If a file is missing or damaged; the message names it.
        """
        folder = best_run(Path(path))
        record = require_labels(folder, read_run_record(folder))
        classifier = cls._of_settings(record, folder / RUN)
        classifier.llm, classifier.api_key_env = llm, api_key_env
        classifier.offline = offline or classifier.offline
        classifier.trust_remote_code = trust_remote_code
        if device is not None:
            classifier.device = device
        asked = LlmSettings(llm=llm, api_key_env=api_key_env)
        with classifier._at_work():
            run = load_run(path, classifier._part(ComputeSettings), None if asked == _NO_LLM else asked)
        classifier._predictor, classifier._record = run.predictor, run.record
        classifier.classes_ = _as_classes(run.predictor.labels, run.record.label_type)
        return classifier

    @classmethod
    def _of_settings(cls, record: ClassifierRecord, file: Path) -> "TextClassifier":
        """One with the parameters that a run was made with."""
        settings = record.get("settings") or {}
        try:
            known = cls().get_params().keys() - NEVER_FROM_A_RUN
            classifier = cls(**{name: value for name, value in settings.items() if name in known})
            classifier.method = method_name(record.method)
            # Checked now, and what JSON has no words for is as it was given.
            for name, value in classifier._settings().named().items():
                setattr(classifier, name, value)
        except (SettingsError, AttributeError, KeyError, TypeError) as error:
            raise ArtifactError(f"the settings in {file} are damaged ({error}): train again or restore it") from None
        return classifier

    def __getstate__(self) -> dict[str, Any]:
        """All but the predictor, for which stand the files that it would save."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_remove_files", None)
        if "_predictor" in state:
            predictor = state.pop("_predictor")
            with tempfile.TemporaryDirectory() as place, self._at_work():
                predictor.save(Path(place))
                paths = [path for path in Path(place).rglob("*") if path.is_file()]
                files = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
            state["_saved"] = (type(predictor), files)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The inverse: the predictor is loaded as from a run folder."""
        kind, files = state.pop("_saved", (None, {}))
        super().__setstate__(state)
        if kind is None:
            return
        # They stay as long as this does: a model may be read from them again when it is saved.
        folder = Path(tempfile.mkdtemp(prefix="trifold-"))
        self._remove_files = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        with self._at_work():
            asked = [self._part(LlmSettings)] if method_entry(self.method).asks_llm else []
            self._predictor = kind.load(folder, self._part(ComputeSettings), *asked)

    def __sklearn_tags__(self) -> Any:
        """Texts, one a row, are what it takes; numbers it does not."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def _fitted(self) -> Predictor:
        if not hasattr(self, "_predictor"):
            raise NotFittedError("this TextClassifier is not fitted: call fit or TextClassifier.load first")
        return self._predictor

    def _at_work(self) -> AbstractContextManager[None]:
        """Inside, the process is set up for PyTorch, where the method needs it."""
        entry = method_entry(self.method)
        return prepared() if entry.needs_backbone or entry.asks_llm else nullcontext()

    def _settings(self) -> MethodSettings:
        return MethodSettings(
            **{name: self._part(type(group)) for name, group in MethodSettings().method_groups.items()}
        )

    def _part(self, kind: type) -> Any:
        """One settings dataclass from the parameters of the same names."""
        hints = get_type_hints(kind)
        return kind(
            **{field.name: _as(hints[field.name], field.name, getattr(self, field.name)) for field in fields(kind)}
        )


def _as(hint: Any, name: str, value: Any) -> Any:
    """A parameter as its settings hold it: NumPy's scalars as Python's, words as a path, a list as a tuple.

    Raises:
        SettingsError: If it is of another type.
    """
    given = value.item() if isinstance(value, np.generic) else value
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        if given not in choices:
            raise SettingsError(f"{name} {given!r} is unknown: use one of {', '.join(choices)}")
        return given
    if get_origin(hint) is tuple:
        kinds: tuple[type, ...] = (tuple,)
        given = (
            tuple(given) if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given) else given
        )
    else:
        kinds = choices or (hint,)
    if Path in kinds and isinstance(given, str):
        given = Path(given)
    if float in kinds and type(given) is int:
        given = float(given)
    if type(given) not in kinds and not (Path in kinds and isinstance(given, Path)):
        names = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
        raise SettingsError(f"{name} {given!r} is not allowed: give {names}")
    return given


def _examples(texts: Any, labels: Any) -> tuple[Examples, Any]:
    """Rows, and the NumPy type of their labels."""
    kept = texts_of(texts)
    targets, kind = targets_of(labels)
    if len(kept) != len(targets):
        raise DataError(f"there are {len(kept)} texts and {len(targets)} labels: give one label per text")
    return Examples(tuple(range(len(kept))), tuple(kept), targets), kind


def _as_classes(labels: LabelMap, kind: Any = None) -> np.ndarray:
    """The labels as an array of the type in which they were given, where NumPy has it.

    Args:
        labels: Of the task.
        kind: That type, or its name; anything else is as nothing.
    """
    several = len({type(name) for name in labels.names}) > 1
    try:
        found = np.array(labels.names, dtype=object if several else kind)
    except (TypeError, ValueError, OverflowError):
        found = np.array(labels.names)
    return found if found.tolist() == list(labels.names) else np.array(labels.names)
