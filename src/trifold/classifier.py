"""`TextClassifier`: any method behind scikit-learn's estimator interface."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from trifold.artifact.folder import new_folder, write_json
from trifold.backbone.settings import BackboneSettings, ComputeSettings
from trifold.data.columns import unusable_text
from trifold.data.split import split_train_validation
from trifold.errors import DataError, SettingsError
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.catalogue import method_entry, method_name
from trifold.methods.contract import MethodSettings, Predictor
from trifold.methods.settings import HeadSettings, LabelSettings, TuningSettings
from trifold.pipeline.request import versions
from trifold.predict import load_run, score_texts
from trifold.runtime import hardware, prepare
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.train.tracking import reporting
from trifold.types import Examples, Label, Target

# The groups of parameters, in the order in which methods take them.
SETTINGS = (
    BackboneSettings,
    TrainSettings,
    HeadSettings,
    TuningSettings,
    LabelSettings,
    LlmSettings,
    PromptingSettings,
)

_NO_LLM = LlmSettings()
# What a saved folder says of these is not done again: each would send something somewhere, or write to a file.
_OUTWARD = {"llm", "api_key_env", "log", "report_to"}


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learn labels of texts by one of Trifold's methods.

    A fifth of the rows given to `fit` is held out as validation, on which settings and checkpoints are chosen.

    The parameters are those of the command line, with the same names and defaults.

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

    def fit(self, X: Sequence[str], y: Sequence[Label | Collection[Label]]) -> "TextClassifier":
        """Learn from texts and their labels.

        Args:
            X: `(rows,)` texts, none empty.
            y: `(rows,)` labels, strings or integers, at least two distinct; or a list, tuple or set of them a row.

        Raises:
            DataError: If the two differ in length, a text is empty, or the labels make no task.
            SettingsError: If a parameter has a value that it cannot have.
        """
        settings = self._settings()
        examples = _examples(X, y)
        entry = method_entry(self.method)
        if entry.needs_backbone:
            prepare()
        train, validation = split_train_validation(examples)
        with reporting(self.report_to, f"TextClassifier-{self.method}", self.get_params()):
            fitted = entry.load()(settings).fit(train, validation, LabelMap.of(examples.labels))
        self._predictor: Predictor = fitted.predictor
        self.classes_ = np.array(fitted.predictor.labels.names)
        return self

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:
        """Probabilities of each class for texts, `(rows, classes)`; columns as in `classes_`."""
        predictor = self._fitted()
        return predictor.labels.probabilities(score_texts(predictor, _texts(X)).logits)

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """The likeliest label of each text, `(rows,)`; in a multi-label task an array of tuples of labels."""
        labels = self._fitted().labels
        decided = labels.decide(self.predict_proba(X))
        if not labels.multi_label:
            likeliest: np.ndarray = self.classes_[decided]
            return likeliest
        found = np.empty(len(decided), dtype=object)
        found[:] = labels.decode(decided)
        return found

    def save(self, path: str | Path) -> None:
        """Write a run folder that `load`, and the command line's `predict`, take.

        Raises:
            SettingsError: If `path` exists and is not an empty folder.
        """
        predictor, target = self._fitted(), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise SettingsError(f"{target} exists and is not empty: name another path or remove it")
        with new_folder(target) as folder:
            predictor.save(folder / "model")
            facts = {
                "method": method_name(self.method),
                "command": "TextClassifier.save",
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "settings": {name: value for name, value in self.get_params().items() if name not in _OUTWARD},
                "seed": self.seed,
                **predictor.labels.described(),
                "versions": versions(),
                "hardware": hardware(),
            }
            write_json(folder / "run.json", facts)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        llm: str | None = None,
        api_key_env: str = _NO_LLM.api_key_env,
        trust_remote_code: bool = False,
    ) -> "TextClassifier":
        """Read back what `save`, `trifold finetune` or `trifold compare` wrote.

        Args:
            path: The folder. It may come from anyone, so it names neither a server nor a key, nor where figures are
                reported to, and never decides on `trust_remote_code`.
            device: Where to compute.
            llm: For a run that asks a server: `openai:BASE_URL#MODEL`.
            api_key_env: Environment variable that holds the server's key.
            trust_remote_code: As in the class.

        Raises:
            UnnamedServerError: If it asks a server, and `llm` names none.
            ArtifactError: If a file is missing or damaged; the message names it.
        """
        asked = LlmSettings(llm=llm, api_key_env=api_key_env)
        compute = ComputeSettings(device=device, trust_remote_code=trust_remote_code)  # type: ignore[arg-type]
        run = load_run(path, compute, None if asked == _NO_LLM else asked)
        known = set(cls().get_params())
        settings = run.facts.get("settings") or {}
        classifier = cls(**{name: value for name, value in settings.items() if name in known - _OUTWARD})
        classifier.llm, classifier.api_key_env = llm, api_key_env
        classifier.method, classifier.device = str(run.facts["method"]), device
        classifier.trust_remote_code = trust_remote_code
        classifier._predictor = run.predictor
        classifier.classes_ = np.array(run.predictor.labels.names)
        return classifier

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

    def _settings(self) -> MethodSettings:
        return MethodSettings(*(self._part(kind) for kind in SETTINGS))

    def _part(self, kind: type) -> Any:
        """One settings dataclass from the parameters of the same names; a choice that does not exist is an error."""
        hints = get_type_hints(kind)
        for field in fields(kind):
            value, hint = getattr(self, field.name), hints[field.name]
            if get_origin(hint) is Literal and value not in get_args(hint):
                known = ", ".join(get_args(hint))
                raise SettingsError(f"{field.name} {value!r} is unknown: use one of {known}")
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError("one string was given where a list of texts is expected: put it into a list")
    found = list(texts)
    for number, text in enumerate(found):
        if unusable_text(text):
            raise DataError(f"text number {number} is {text!r}: every text must be a string with at least one word")
    return found


def _examples(texts: Sequence[str], labels: Sequence[Label | Collection[Label]]) -> Examples:
    kept = _texts(texts)
    rows = list(labels)
    if len(kept) != len(rows):
        raise DataError(f"there are {len(kept)} texts and {len(rows)} labels: give one label per text")
    multi_label = any(isinstance(row, list | tuple | set | frozenset) for row in rows)
    targets: tuple[Target, ...]
    if multi_label:
        targets = tuple(
            tuple(_label(one) for one in row)
            if isinstance(row, Collection) and not isinstance(row, str)
            else (_label(row),)
            for row in rows
        )
    else:
        targets = tuple(_label(row) for row in rows)
    return Examples(tuple(range(len(kept))), tuple(kept), targets)


def _label(given: object) -> Label:
    # NumPy's own scalars become Python's, so that labels are saved and compared as what they look like.
    label = given.item() if isinstance(given, np.generic) else given
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise DataError(f"the label {label!r} is neither a string nor an integer: convert the labels first")
    return label
