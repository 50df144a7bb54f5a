"""What a model predicts for a text, as the columns that are added to a file's rows."""

from trifold.inference.predict import NO_LABEL, Prediction
from trifold.inference.settings import AnswerSettings
from trifold.tasks.labels import LabelMap, as_text
from trifold.types import Target, labels_of

ERROR = "error"


def answer_columns(labels: LabelMap, settings: AnswerSettings) -> dict[str, type]:
    """The columns, `error` at the end, with the types of their values; labels are integers where all of them are."""
    kind = int if not labels.multi_label and all(type(name) is int for name in labels.names) else str
    every = {_probability_of(str(name)): float for name in labels.names} if settings.probabilities else {}
    top = {
        name: type_
        for place in range(1, (settings.top_k or 0) + 1)
        for name, type_ in ((f"top_{place}", kind), (f"top_{place}_probability", float))
    }
    return {"prediction": kind, "probability": float, "truncated": bool, **every, **top, ERROR: str}


def answer_values(found: Prediction, labels: LabelMap, settings: AnswerSettings) -> dict[str, object]:
    """Their values for one text; a text that is declined has no prediction, and `error` says so."""
    declined = f"declined: not as sure as {settings.reject_below:g}" if found.label is None else None
    every = {_probability_of(name): value for name, value in found.probabilities.items()}
    top: dict[str, object] = {}
    for place, (name, value) in enumerate(likeliest(found, settings.top_k or 0), start=1):
        top |= {f"top_{place}": _typed(labels.by_text[name]), f"top_{place}_probability": value}
    return {
        "prediction": None if found.label is None else _typed(found.label),
        "probability": found.probability,
        "truncated": found.truncated,
        **(every if settings.probabilities else {}),
        **top,
        ERROR: NO_LABEL if found.label == () else declined,
    }


def given_labels(found: Prediction) -> tuple[str, ...]:
    """The label that a text is given, or its labels; none where it is declined."""
    return () if found.label is None else tuple(map(str, labels_of(found.label)))


def likeliest(found: Prediction, most: int | None = None) -> list[tuple[str, float]]:
    """The likeliest labels with their probabilities, all where no number is named; of equal ones the earlier first."""
    return sorted(found.probabilities.items(), key=lambda pair: -pair[1])[:most]


def _typed(target: Target) -> str | int:
    """An integer as it is, everything else as text."""
    return target if type(target) is int else as_text(target)


def _probability_of(label: str) -> str:
    return f"probability_{label}"
