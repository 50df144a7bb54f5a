"""The two forms in which decision servers are asked and answer.

A question of one label is one choice among all of them; where a text may have several, each label is a question of its
own, to be answered with yes or no.

Source: docs.litellm.ai/docs/decisions; docs.ollama.com/api/systemone; docs.fireworks.ai/api-reference/post-decisions.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from trifold.errors import LlmError
from trifold.llm.contract import Choice

# The name of the question of one label.
_QUESTION = "label"
# Servers round each probability, some to two decimals.
_ROUNDING = 0.005


class DecisionForm(ABC):
    """How a decision server is asked, and how its answer is read.

    Attributes:
        path: Where it is asked, below the base URL.
    """

    path: ClassVar[str]

    @abstractmethod
    def ask(self, state: str, question: str, choices: Sequence[Choice], *, several: bool) -> dict[str, Any]:
        """The body of a call, without the model.

        Args:
            state: The text to decide on.
            question: What is asked about it.
            choices: The possible answers.
            several: Whether any number of them may hold.
        """

    @abstractmethod
    def read(self, response: Any, choices: Sequence[Choice], *, several: bool) -> np.ndarray:
        """The probabilities of the choices, `(choices,)`.

        Raises:
            LlmError: If the server does not answer the question.
            KeyError, TypeError, ValueError, AttributeError: If the answer has another form.
        """


class SystemOne(DecisionForm):
    """TypeSafe's form, which Ollama, llama.cpp and SGLang have as well."""

    path: ClassVar[str] = "/systemone"

    def ask(self, state: str, question: str, choices: Sequence[Choice], *, several: bool) -> dict[str, Any]:
        """See `DecisionForm.ask`."""
        if several:
            asked = {
                _name(number): {"type": "noul", "instructions": _does_it_apply(question, choice)}
                for number, choice in enumerate(choices)
            }
            return {"state": state, "questions": asked}
        criteria = {choice.value: choice.description or choice.value for choice in choices}
        return {
            "state": state,
            "questions": {_QUESTION: {"type": "choice", "instructions": question, "criteria": criteria}},
        }

    def read(self, response: Any, choices: Sequence[Choice], *, several: bool) -> np.ndarray:
        """See `DecisionForm.read`."""
        answers = response["answers"]
        missing = {_name(number) for number in range(len(choices))} if several else {_QUESTION}
        if missing - answers.keys():
            raise LlmError("the server gave no answer to the question: it may be too long for its model")
        if several:
            return _probabilities([answers[_name(number)]["noul"] for number in range(len(choices))])
        return _distribution(answers[_QUESTION]["probabilities"], choices)


class Decisions(DecisionForm):
    """OpenAI's form."""

    path: ClassVar[str] = "/decisions"

    def ask(self, state: str, question: str, choices: Sequence[Choice], *, several: bool) -> dict[str, Any]:
        """See `DecisionForm.ask`."""
        if several:
            asked: list[dict[str, Any]] = [
                {"type": "predicate", "name": _name(number), "instructions": _does_it_apply(question, choice)}
                for number, choice in enumerate(choices)
            ]
        else:
            listed = [{"value": one.value, "description": one.description or one.value} for one in choices]
            asked = [{"type": "choice", "name": _QUESTION, "instructions": question, "choices": listed}]
        return {"input": state, "questions": asked}

    def read(self, response: Any, choices: Sequence[Choice], *, several: bool) -> np.ndarray:
        """See `DecisionForm.read`."""
        answers = {answer["name"]: answer for answer in response["answers"]}
        if any(answer["type"] == "refusal" for answer in answers.values()):
            raise LlmError("the server's model refuses to decide on this text")
        if several:
            return _probabilities([answers[_name(number)]["probability"] for number in range(len(choices))])
        listed = answers[_QUESTION]["probabilities"]
        return _distribution({one["value"]: one["probability"] for one in listed}, choices)


def _name(number: int) -> str:
    return f"{_QUESTION}_{number + 1}"


def _does_it_apply(question: str, choice: Choice) -> str:
    meaning = f" ({choice.description})" if choice.description else ""
    return f"{question}\nDoes this label apply: {choice.value}{meaning}?"


def _probabilities(numbers: Sequence[Any]) -> np.ndarray:
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        raise TypeError("a probability is no number")
    found = np.array(numbers, dtype=np.float64)
    if ((found < -_ROUNDING) | (found > 1 + _ROUNDING)).any():
        raise ValueError("a probability is below 0 or above 1")
    return np.clip(found, 0.0, 1.0)


def _distribution(found: Mapping[str, Any], choices: Sequence[Choice]) -> np.ndarray:
    """The probabilities in the order of the choices."""
    values = [choice.value for choice in choices]
    if set(found) != set(values):
        raise ValueError("its probabilities are not of the choices that were asked about")
    result = _probabilities([found[value] for value in values])
    total = result.sum()
    if not total or abs(total - 1) > _ROUNDING * (2 + len(values)):
        raise ValueError("its probabilities do not add up to 1")
    return np.asarray(result / total)
