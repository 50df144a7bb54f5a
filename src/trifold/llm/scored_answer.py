"""The form in which an answer with the probabilities of all choices is handed on and logged."""

import json
from collections.abc import Sequence

import numpy as np

from trifold.json_reading import parse_json

_DECIMALS = 6


def as_scored(text: str, choices: Sequence[str], probabilities: np.ndarray) -> str:
    """An answer with its probabilities, as JSON.

    Args:
        text: What the model wrote or chose.
        choices: What it could choose.
        probabilities: Of each choice. Where one is to be chosen, what they lack to 1 went to something else.
    """
    rounded = [round(float(one), _DECIMALS) for one in probabilities]
    return json.dumps({"answer": text, "probabilities": dict(zip(choices, rounded, strict=True))}, ensure_ascii=False)


def read_scored(answer: str, choices: Sequence[str]) -> np.ndarray | None:
    """The probabilities in an answer, `(choices,)`; `None` if it is one in words."""
    try:
        found = parse_json(answer) if answer.startswith('{"answer": ') else None
    except ValueError:
        return None
    scores = found.get("probabilities") if isinstance(found, dict) else None
    if not isinstance(scores, dict) or list(scores) != list(choices):
        return None
    values = list(scores.values())
    if not all(isinstance(one, int | float) and 0 <= one <= 1 for one in values):
        return None
    return np.array(values, dtype=np.float64)
