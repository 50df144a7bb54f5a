"""A prompt as a value: its parts, its variables, and what is sent when they are filled in.

Placeholders are `{name}`, `{{name}}` stands for the same in braces, and any other brace is itself, so that JSON can be
written as it is. What is put in for a placeholder is never looked at again: braces in a text are text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from trifold.errors import PromptError
from trifold.json_reading import parse_json

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: What is said.
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
    """What is filled in.

    Attributes:
        description: For whom fills it in.
        default: What stands there if nothing is given; `None` where something must be.
    """

    description: str = ""
    default: str | None = None


@dataclass(frozen=True)
class Example:
    """A task with its answer.

    Attributes:
        values: Of the variables in the task.
        output: What should be answered.
    """

    values: Mapping[str, str]
    output: str


@dataclass(frozen=True)
class Output:
    """What an answer must look like.

    Attributes:
        format: In words.
        labels: Label to what it is called in answers, where the answer is one of a few.
    """

    format: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prompt:
    """What a language model is told.

    Attributes:
        task: What is asked; it comes last, so that all before it is the same for every text.
        role: Who the model is to be.
        context: What it has to know.
        instructions: What it has to mind, one each.
        examples: Tasks with their answers.
        output: What an answer must look like.
        variables: Name to what is filled in.
    """

    task: str
    role: str = ""
    context: str = ""
    instructions: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    output: Output = field(default_factory=Output)
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def templates(self) -> Iterator[str]:
        """Every text in which placeholders are filled in."""
        yield from (self.role, self.context, *self.instructions, self.output.format, self.task)

    def text_variable(self) -> str:
        """The variable that takes the text to be labelled: `text`, or the only one that has no default.

        Raises:
            PromptError: If it cannot be told, or does not stand in the task.
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

    def render(self, given: Mapping[str, str] | None = None) -> Conversation:
        """The messages that are sent.

        Args:
            given: Variable to value.

        Raises:
            PromptError: If a variable has no value, or a value is for none; the message names it.
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
                Message("user", fill(self.task, {**defaults, **example.values})),
                Message("assistant", example.output),
            )
        ]
        system = self._system(values)
        opening = (Message("system", system),) if system else ()
        return (*opening, *turns, Message("user", fill(self.task, values)))

    def _system(self, values: Mapping[str, str]) -> str:
        listed = "\n".join(f"- {fill(line, values)}" for line in self.instructions)
        form = fill(self.output.format, values)
        if self.output.labels and not form:
            form = f"Answer with one of these and nothing else: {', '.join(self.output.labels.values())}."
        parts = (fill(self.role, values), _headed("Context", fill(self.context, values)), listed, form)
        return "\n\n".join(part for part in parts if part)


def placeholders(template: str) -> set[str]:
    """Names of what is to be filled in."""
    return {match[2] for match in _PLACEHOLDER.finditer(template) if match[2]}


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced, each value as it is."""
    return _PLACEHOLDER.sub(lambda match: values[match[2]] if match[2] else f"{{{match[1]}}}", template)


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
