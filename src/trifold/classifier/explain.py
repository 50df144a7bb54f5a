"""Explain, in Python, what a run or a fitted `TextClassifier` says of texts."""

from pathlib import Path
from typing import Any

from trifold.classifier.estimator import TextClassifier
from trifold.classifier.python_words import heard, speaks_python
from trifold.data.in_memory import texts_of
from trifold.errors import SettingsError
from trifold.explanations.explain import explain_texts
from trifold.explanations.explanation import Explanation
from trifold.explanations.settings import ExplanationSettings
from trifold.inference.run import Run, load_run
from trifold.methods.catalogue import method_entry


@speaks_python
def explain(
    model: Path | str | Run | TextClassifier,
    X: Any,
    *,
    label: Any = None,
    words: int = 5,
    evaluations: int | None = None,
) -> list[Explanation]:
    """Which words of texts decided on their labels.

    The same texts, each by itself or together, get the same explanations each time.

    Args:
        model: A run folder, an opened run, or a fitted classifier.
        X: `(rows,)` texts, or a single text.
        label: The label to explain; by default the one that each text gets, of several the surest.
        words: How many deciding words are named.
        evaluations: Ask the model at most so often about one text.

    Returns:
        An explanation of each text.

    Raises:
        ArtifactError: If the folder holds no run, or a file is missing or damaged.
        DataError: If a text is empty.
        SettingsError: If the label is none of the model's.
    """
    texts = [X] if isinstance(X, str) else texts_of(X)
    settings = ExplanationSettings(label=None if label is None else str(label), words=words, evaluations=evaluations)
    if isinstance(model, TextClassifier):
        predictor, asks_llm = model._fitted(), method_entry(str(model.method)).asks_llm
        if model.n_features_in_ > 1:
            raise SettingsError("the classifier reads pairs of texts, and explain is for single texts: give another")
        with model._set_up(learning=False):
            return list(explain_texts(predictor, texts, settings, asks_llm=asks_llm))
    with heard(verbose=False):
        run = model if isinstance(model, Run) else load_run(model)
        run.require_single_texts("explain")
        asks_llm = method_entry(run.record.method).asks_llm
        return list(explain_texts(run.predictor, texts, settings, asks_llm=asks_llm))
