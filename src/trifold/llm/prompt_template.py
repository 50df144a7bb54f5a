"""A prompt: its parts, its variables, and the messages that result when the variables are filled in.

A placeholder is written `{name}`. `{{name}}` is the text `{name}`, and any other brace is itself, so that JSON needs no
escapes. Values are inserted as they are: braces in a value are text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from trifold.errors import PromptError
from trifold.json_reading import parse_json

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")
# The last two are of templates that put a query and a passage to a reranker.
_FORM_OF_ONE = "Answer with one of these and nothing else"
_FORM_OF_JSON = "Answer with JSON and nothing else."
_FORM_OF_SEVERAL = "Answer with those of these that apply, separated by commas, or with none, and nothing else"
Role = Literal["system", "user", "assistant", "query", "document"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: The speaker.
        content: The text.
    """

    role: Role
    content: str


Conversation = tuple[Message, ...]


def conversation_to_json(conversation: Conversation) -> str:
    """Messages in the form in which they are logged."""
    return json.dumps([asdict(message) for message in conversation], ensure_ascii=False)


def conversation_from_json(text: str) -> Conversation:
    """Messages from what `conversation_to_json` returned.

    Raises:
        ValueError: If the text holds no messages.
    """
    turns = parse_json(text)
    if not isinstance(turns, list) or not all(
        isinstance(one, dict) and set(one) == {"role", "content"} for one in turns
    ):
        raise ValueError("this is no list of messages")
    return tuple(Message(one["role"], str(one["content"])) for one in turns)


@dataclass(frozen=True)
class Variable:
    """A variable of a prompt.

    Attributes:
        description: Explains it to the user who gives a value.
        default: The value if none is given; `None` if one must be given.
    """

    description: str = ""
    default: str | None = None


@dataclass(frozen=True)
class Example:
    """An example: a task with its answer.

    Attributes:
        values: The values of the variables in the task.
        output: The right answer.
    """

    values: Mapping[str, str]
    output: str


@dataclass(frozen=True)
class Output:
    """The required form of an answer.

    Attributes:
        format: The form, described in words; `json` for JSON, which servers can be held to.
        labels: For labelling tasks, each label and the word for it in answers.
        several: Whether an answer may name several of the labels, or none.
        stop: An answer ends before the first of these texts.
        schema: The JSON Schema of answers, if their format is `json`; made from the labels if there are any.
    """

    format: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    several: bool = False
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)

    def json_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema of answers: empty where any JSON will do, `None` where they need not be JSON."""
        if self.format.strip().casefold() != "json":
            return None
        if self.schema or not self.labels:
            return self.schema
        word = {"enum": list(self.labels.values())}
        name, answer = ("labels", {"type": "array", "items": word}) if self.several else ("label", word)
        return {"type": "object", "properties": {name: answer}, "required": [name], "additionalProperties": False}

    def in_words(self) -> str:
        """What the system message says of the form of answers, before variables are filled in."""
        schema = self.json_schema()
        if schema is not None:
            shown = json.dumps(schema, ensure_ascii=False)
            return f"Answer with JSON that obeys this schema and nothing else: {shown}" if schema else _FORM_OF_JSON
        if self.format or not self.labels:
            return self.format
        return f"{_FORM_OF_SEVERAL if self.several else _FORM_OF_ONE}: {', '.join(self.labels.values())}."


@dataclass(frozen=True)
class Prompt:
    """The instructions for a language model.

    Attributes:
        task: The question; it comes last, so that everything before it is equal for all texts and is computed once.
        role: The role that the model is to take.
        context: What the model has to know.
        instructions: What the model has to observe, one each.
        examples: Tasks with their answers.
        output: The required form of an answer.
        variables: The variables, by name.
    """

    task: str
    role: str = ""
    context: str = ""
    instructions: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    output: Output = field(default_factory=Output)
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def templates(self) -> Iterator[str]:
        """All texts that may hold placeholders."""
        yield from (self.role, self.context, *self.instructions, self.output.format, self.task)

    def text_variable(self) -> str:
        """The variable for the text to be labelled: `text`, or the only one without a default.

        Raises:
            PromptError: If there is no such variable, or it is not in the task.
        """
        open_ones = [name for name, variable in self.variables.items() if variable.default is None]
        if open_ones != ["text"] and len(open_ones) != 1:
            raise PromptError(
                f"a prompt that labels texts needs exactly one variable without a default, for the text, and this has "
                f"{', '.join(open_ones) or 'none'}: give the others a default"
            )
        if open_ones[0] not in placeholders(self.task):
            raise PromptError(f"the text must come last: write {{{open_ones[0]}}} in the task of the prompt")
        return open_ones[0]

    def text_variables(self, *, pairs: bool) -> tuple[str, ...]:
        """The variables for what is labelled: one for the text, or those for the first and the second text of a pair.

        Raises:
            PromptError: As `text_variable`, or if a prompt for pairs has not exactly two, both in the task.
        """
        if not pairs:
            return (self.text_variable(),)
        open_ones = tuple(name for name, variable in self.variables.items() if variable.default is None)
        if len(open_ones) != 2 or not set(open_ones) <= placeholders(self.task):
            raise PromptError(
                "a prompt that labels pairs of texts needs exactly two variables without a default, for the first text "
                f"and the second, both in the task, and this has {', '.join(open_ones) or 'none'}"
            )
        return open_ones

    def render(self, given: Mapping[str, str] | None = None) -> Conversation:
        """The messages to send.

        Args:
            given: Values of the variables, by name.

        Raises:
            PromptError: If a variable has no value, or a value belongs to no variable; the message names it.
        """
        given = given or {}
        superfluous = [name for name in given if name not in self.variables]
        missing = [name for name, known in self.variables.items() if name not in given and known.default is None]
        if superfluous:
            known = ", ".join(self.variables) or "none"
            raise PromptError(f"the prompt has no variable {', '.join(superfluous)}: it has {known}")
        if missing:
            raise PromptError(f"the prompt's {_plural(missing)} without a value: give --var {missing[0]}=…")
        defaults = {name: known.default for name, known in self.variables.items() if known.default is not None}
        values = {**defaults, **given}
        _require_text(values)
        turns = [
            turn
            for example in self.examples
            for turn in (
                Message("user", self.filled_task(example.values)),
                Message("assistant", example.output),
            )
        ]
        system = self._system(values)
        opening = (Message("system", system),) if system else ()
        return (*opening, *turns, Message("user", fill(self.task, values)))

    def filled_task(self, values: Mapping[str, str]) -> str:
        """The task with its variables replaced.

        Args:
            values: Variable to value; a variable that is missing has its default.

        Raises:
            KeyError: If a variable has neither.
        """
        defaults = {name: known.default for name, known in self.variables.items() if known.default is not None}
        return fill(self.task, {**defaults, **values})

    def _system(self, values: Mapping[str, str]) -> str:
        listed = "\n".join(f"- {fill(line, values)}" for line in self.instructions)
        form = self.output.in_words()
        # What is made from labels and schemas holds no placeholders.
        form = fill(form, values) if form == self.output.format else form
        parts = (fill(self.role, values), _headed("Context", fill(self.context, values)), listed, form)
        return "\n\n".join(part for part in parts if part)


def placeholders(template: str) -> set[str]:
    """Names of the placeholders in a template."""
    return {match[2] for match in _PLACEHOLDER.finditer(template) if match[2]}


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced by their values."""
    return _PLACEHOLDER.sub(lambda match: values[match[2]] if match[2] else f"{{{match[1]}}}", template)


def as_written(text: str) -> str:
    """A template that gives the text as it is, whatever braces are in it."""
    return _PLACEHOLDER.sub(lambda match: f"{{{{{match[2]}}}}}" if match[2] else f"{{{match[0]}}}", text)


def _headed(title: str, text: str) -> str:
    return f"{title}:\n{text}" if text else ""


def _plural(names: list[str]) -> str:
    return f"variable {names[0]} is" if len(names) == 1 else f"variables {', '.join(names)} are"


def _require_text(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PromptError(f"the value of {name} holds bytes that are no UTF-8: convert it first") from None
