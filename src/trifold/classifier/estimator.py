"""`TextClassifier`: any method behind scikit-learn's estimator interface."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from trifold.artifact.hub_runs import run_folder
from trifold.artifact.run_folder import best_run, new_folder
from trifold.artifact.run_record import RUN, read_run_record, write_run_record
from trifold.classifier.labels import LabelForm, as_examples, feature_names, require_form
from trifold.classifier.parameters import DEFAULTS, method_settings, require_known, settings_of, takes_settings
from trifold.classifier.python_words import heard, speaks_python
from trifold.classifier.record import parameters_of, record_of
from trifold.data.in_memory import texts_or_pairs_of
from trifold.data.split import split_train_validation
from trifold.errors import DataError, SettingsError
from trifold.inference.predict import score_texts
from trifold.inference.run import load_run, require_labels
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry, method_name
from trifold.methods.contract import Predictor
from trifold.methods.unused_settings import unused
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepared, unchanged_process
from trifold.tasks.labels import LabelMap
from trifold.tasks.metric_choice import choose_metric
from trifold.train.tracking import reporting
from trifold.types import labels_of


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learn labels of texts by one of Trifold's methods.

    A fifth of the rows given to `fit` is held out as validation, on which settings and checkpoints are chosen.

    Parameters have the names and defaults of the flags; `fit` warns of those that the method does not use. Texts and
    labels may be a list, an iterator, a NumPy or Arrow array, a Series, or a table of one column; pairs of texts, which
    are read together, a list of tuples or a table of two columns; several labels a row a list of them or an indicator
    matrix, and predictions have the form of the labels. The classifier can be pickled. Threads, random states,
    environment and PyTorch's settings are left as they were.

    Args:
        method: `tfidf`, `zero-shot`, `features`, `adapter-lora`, `-bottleneck`, `contrastive`, `full`, `prompt(-zero)`.
        model: Backbone: `minilm`, `mpnet`, `gemma-270m`, a folder, a GGUF file, or a hub id.
        verbose: Write messages and progress to standard error; notes come as Python warnings where `False`.
        revision: Revision of a model from the hub.
        max_length: Tokens of a text that are read.
        long_text: What is read of longer ones: `truncate`, `head+tail`, or all in windows of that many (`window`).
        max_windows: The most windows of a text; 8 by default.
        engine: What runs a frozen backbone: `torch`, or on a CPU `onnx` (ONNX Runtime) or `int8` (8-bit integers).
        cache: Keep on disk what a frozen backbone computes of a text.
        cache_gigabytes: What the cache may take.
        learning_rate: At the peak; `None` for the method's default.
        epochs: `None` for the method's default.
        batch_size: Examples per optimiser step; `None` for the method's default.
        seed: Seed of everything random in training.
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of the steps over which the learning rate rises.
        max_grad_norm: Gradients are clipped to this norm.
        ema_decay: Share of the averaged weights that each step keeps; 0 keeps the last weights.
        class_weight: `none`, or `balanced` to name rare classes as readily as serves macro-F1.
        self_distillation: Share of a text's target that in the last epoch is the model's own earlier answer.
        patience: Epochs without a better validation loss before training stops.
        report_to: Experiment tracker that gets the figures, too: `tensorboard`, `mlflow`, `trackio` or `wandb`.
        head: For `features`: `auto`, `logistic` or `mlp`.
        train_layers: For `full`: train only so many layers, from the top.
        freeze_embeddings: For `full`: leave the word vectors as they are.
        adapter_layers: For adapters: put them into so many layers, from the top.
        adapter_size: For adapters: rank or width.
        merge_adapter: For `adapter-lora`: add the adapters into the backbone when done.
        label_description: For `zero-shot`, `prompt` and `prompt-zero`: `("LABEL=what it means", …)`.
        threshold: From which probability on a row gets one of several labels: a number, `per-label` or `common`.
        metric: What decides between models of these labels, as in `--metric`; `score` is the accuracy all the same.
        llm: For `prompt` and `prompt-zero`: a name as `--llm` takes it, such as `hf:FOLDER` or `openai:BASE_URL#MODEL`.
        api_key_env: Environment variable that holds the server's key.
        max_tokens: Most tokens of a server's answer; 256 by default.
        temperature: 0 takes the likeliest word each time.
        stop: Texts before which an answer ends.
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
        label_by: `likelihoods`, or `answers` that a local model writes; `auto` is the former.
        score_by: What likelihoods are of: the labels' `words`, option `letters`, or `auto`, the better on validation.
        votes: Answers of a server for each text, or of a local model with `label_by="answers"`.
        calibration: How a local model's scores of words become probabilities; `auto` chooses on validation rows.
        option_orders: Orders of the labels in the prompt, over which a local model's scores are averaged.
        cloze: For masked models: the text, and the gap that a label's word has to fill.
        hypothesis: For rerankers: how a label is put to a text, with `{label}` for it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `float32` or `bfloat16`.
        token_budget: Tokens of one forward pass; by default what is fastest on this machine.
        offline: Open no connection.
        trust_remote_code: Run classes that a model brings with it: only if you have read that code and trust it.

    Attributes:
        classes_: `(classes,)` labels as given, in the order of `predict_proba`'s columns.
        n_features_in_: 1, the column of texts; 2 where rows are pairs of texts.
        feature_names_in_: `(n_features_in_,)` their names, where `fit` was given a table.
    """

    @takes_settings
    def __init__(
        self, method: str = "features", model: str = "minilm", *, verbose: bool = False, **settings: Any
    ) -> None:
        require_known(settings)
        self.method = method
        self.verbose = verbose
        for name, value in {**DEFAULTS, **settings, "model": model}.items():
            setattr(self, name, value)

    @speaks_python
    def fit(self, X: Any, y: Any) -> "TextClassifier":
        """Learn from texts and their labels.

        Args:
            X: `(rows,)` texts, or pairs of them; none empty.
            y: `(rows,)` labels, all strings, all integers or all booleans, at least two distinct; a list, tuple or set
                of them a row; or an indicator matrix `(rows, labels)` of 0 and 1, whose labels are called like the
                columns of a table, or else by their numbers.

        Raises:
            DataError: If the two differ in length, a text is empty, or the labels make no task.
            SettingsError: If a parameter has a value that it cannot have.
        """
        settings, name = method_settings(self.get_params()), method_name(str(self.method))
        if ignored := unused([name], *settings.method_groups.values()):
            warnings.warn(f"{name} does not use {', '.join(ignored)}", UserWarning, stacklevel=3)
        examples, self._form = as_examples(X, y)
        method_entry(name).require_fit(examples)
        self.n_features_in_, self.feature_names_in_ = 1 + examples.pairs, feature_names(X)
        if self.feature_names_in_ is None:
            del self.feature_names_in_
        train, validation = split_train_validation(examples)
        labels, started = LabelMap.of(examples.labels), datetime.now(UTC)
        choose_metric(settings.ranking.metric, labels, examples.label_counts())
        with (
            self._set_up(learning=True),
            reporting(settings.train.report_to, f"TextClassifier-{name}", settings.named()),
        ):
            fitted = method_entry(name).load()(settings).fit(train, validation, labels)
        self._predictor: Predictor = fitted.predictor
        self.classes_ = self._form.classes(labels)
        self._record = record_of(fitted, settings, name, started, examples).but(
            label_type=str(self.classes_.dtype), indicator=self._form.columns and list(self._form.columns)
        )
        return self

    @speaks_python
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of each class for texts, `(rows, classes)`; columns as in `classes_`."""
        labels = self._fitted().labels
        return self._form.spread(self._probabilities(X), labels)

    @speaks_python
    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each text, `(rows,)`.

        In a multi-label task an array of tuples of labels, or an indicator matrix where `fit` was given one.
        """
        labels = self._fitted().labels
        decided = labels.decide(self._probabilities(X))
        if self._form.columns is not None:
            return self._form.spread(decided.astype(int), labels)
        if not labels.multi_label:
            return np.asarray(self.classes_[decided])
        found = np.empty(len(decided), dtype=object)
        found[:] = labels.decode(decided)
        return found

    @speaks_python
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
        examples, _ = as_examples(X, y, self._form.columns)
        if not examples.label_counts().keys() & set(labels.names) and any(map(labels_of, examples.labels)):
            known = ", ".join(repr(name) for name in labels.names[:8])
            raise DataError(f"the model knows none of the labels given: it knows {known}, of this very type")
        answers = labels.decode(labels.decide(self._probabilities(examples.texts)))
        pairs = zip(answers, examples.labels, strict=True)
        right = [set(labels_of(answer)) == set(labels_of(truth)) for answer, truth in pairs]
        return float(np.average(right, weights=sample_weight))

    @speaks_python
    def save(self, path: str | Path) -> None:
        """Write a run folder that `load`, and the command line's `predict`, `export` and `bench`, take.

        Raises:
            SettingsError: If `path` exists and is not an empty folder.
        """
        predictor, target = self._fitted(), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise SettingsError(f"{target} exists and is not empty: name another path or remove it")
        with new_folder(target) as folder, unchanged_process():
            predictor.save(folder / "model")
            write_run_record(folder, self._record)

    @classmethod
    @speaks_python
    def load(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        llm: str | None = None,
        api_key_env: str = LlmSettings.api_key_env,
        offline: bool = False,
        trust_remote_code: bool = False,
    ) -> "TextClassifier":
        """Read back what `save`, `trifold finetune` or `trifold compare` wrote, with its parameters.

        A folder may come from anyone, so it has no say in which server is asked, with which key, in what is logged or
        reported, nor in whether foreign code is run: of those parameters, what is given here holds, or the default.

        Args:
            path: The folder, or the name of a run on the hub.
            device: Where to compute; as it was trained where `None`.
            llm: For a run that asks a server: `openai:BASE_URL#MODEL`, or what it was made with.
            api_key_env: Environment variable that holds the server's key.
            offline: Never open a connection to fetch the model that it stands on; nor does one trained so.
            trust_remote_code: As in the class.

        Raises:
            UnnamedServerError: If it asks a server, and `llm` names none.
            ArtifactError: If a file is missing or damaged; the message names it.
        """
        folder = best_run(run_folder(path, offline=offline))
        record = require_labels(folder, read_run_record(folder))
        classifier = cls(**parameters_of(record, folder / RUN))
        given = {"llm": llm, "api_key_env": api_key_env, "trust_remote_code": trust_remote_code}
        given |= ({"offline": True} if offline else {}) | ({} if device is None else {"device": device})
        classifier.set_params(**given)
        asked = LlmSettings(llm=llm, api_key_env=api_key_env)
        compute = settings_of(ComputeSettings, classifier.get_params())
        with heard(verbose=False):
            run = load_run(path, compute, None if asked == LlmSettings() else asked)
        classifier._predictor, classifier._record = run.predictor, run.record
        classifier._form = LabelForm(record.get("label_type"), tuple(record.get("indicator") or ()) or None)
        classifier.classes_ = classifier._form.classes(run.predictor.labels)
        classifier.n_features_in_ = 2 if record.get("pairs") else 1
        return classifier

    def __sklearn_tags__(self) -> Any:
        """Texts, one a row, are what it takes; numbers it does not."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        tags.classifier_tags.multi_label = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def _fitted(self) -> Predictor:
        if not hasattr(self, "_predictor"):
            raise NotFittedError("this TextClassifier is not fitted: call fit or TextClassifier.load first")
        return self._predictor

    def _probabilities(self, X: Any) -> np.ndarray:
        """Of each label that the model knows, `(rows, labels)`."""
        predictor, texts = self._fitted(), texts_or_pairs_of(X)
        require_form(X, texts, getattr(self, "feature_names_in_", None), self.n_features_in_)
        with self._set_up(learning=False):
            return predictor.labels.probabilities(score_texts(predictor, texts).logits)

    @contextmanager
    def _set_up(self, *, learning: bool) -> Iterator[None]:
        """Inside, the process is set up for the method; afterwards it is as it was."""
        entry = method_entry(str(self.method))
        with ExitStack() as contexts:
            contexts.enter_context(heard(verbose=self.verbose))
            if entry.needs_backbone or entry.asks_llm:
                contexts.enter_context(prepared())
            # A language model draws its answers at random.
            if learning or entry.asks_llm:
                contexts.enter_context(unchanged_process())
            yield
