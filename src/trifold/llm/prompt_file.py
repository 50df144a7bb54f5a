"""Prompt files in TOML, read strictly: a misspelt part is an error, not a prompt with a part missing."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trifold.errors import PromptError
from trifold.llm.answer_parser import words_alike
from trifold.llm.prompt_template import Example, Output, Prompt, Variable, placeholders

_PARTS = ("role", "context", "task", "instructions", "examples", "output", "variables")
_NAME = re.compile(r"[A-Za-z_]\w*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PROMPT_BYTES = 1 << 20
_SHOWN_CHARACTERS = 200


def read_prompt(path: Path) -> Prompt:
    """Read a prompt file.

    Raises:
        PromptError: If it is missing, no TOML, or not a prompt; the message says what is wrong.
    """
    try:
        return parse_prompt(read_text(path, _PROMPT_BYTES))
    except OSError as error:
        raise PromptError(f"{path} cannot be read ({error.strerror}): name a prompt file, a .toml") from None
    except UnicodeDecodeError:
        raise PromptError(f"{path} is no UTF-8 text: save it as UTF-8") from None
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from None


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a file or a pipe, of which no more than `most_bytes` are read.

    Raises:
        OSError: If it cannot be read.
        UnicodeDecodeError: If it is no UTF-8.
        PromptError: If it is longer.
    """
    with path.open("rb") as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise PromptError(f"{path} has more than {most_bytes >> 20} MiB: give a shorter text")
    return found.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def parse_prompt(text: str) -> Prompt:
    """A prompt from the text of its file.

    Raises:
        PromptError: As `read_prompt`.
    """
    try:
        return _read_toml(text)
    except RecursionError:
        raise PromptError("its tables and lists nest too deep: a prompt file has few levels") from None


def _read_toml(text: str) -> Prompt:
    try:
        found = tomllib.loads(text)
    except ValueError as error:
        # Not only TOMLDecodeError: a number of thousands of digits raises a plain ValueError.
        raise PromptError(f"this is no TOML ({_cut_for_message(str(error))}): correct that place") from None
    _require_known(found, _PARTS, "part")
    prompt = Prompt(
        task=_text(found, "task"),
        role=_text(found, "role"),
        context=_text(found, "context"),
        instructions=_lines(found.get("instructions", [])),
        examples=tuple(_example(one) for one in _tables(found, "examples")),
        output=_output(found.get("output", {})),
        variables={name: _variable(name, value) for name, value in _table(found, "variables").items()},
    )
    if not prompt.task.strip():
        raise PromptError('there is no task: write task = "…", what the model is asked to do')
    _check_names(prompt)
    return prompt


def format_prompt(prompt: Prompt) -> str:
    """The text of a prompt file from which `parse_prompt` reads an equal prompt."""
    lines = [
        f"{name} = {_quoted(getattr(prompt, name))}" for name in ("role", "context", "task") if getattr(prompt, name)
    ]
    if prompt.instructions:
        lines += ["instructions = [", *(f"  {_quoted(one)}," for one in prompt.instructions), "]"]
    if prompt.output != Output():
        lines += ["", "[output]"]
        lines += [f"format = {_quoted(prompt.output.format)}"] if prompt.output.format else []
        labels = ", ".join(f"{_key(label)} = {_quoted(word)}" for label, word in prompt.output.labels.items())
        lines += [f"labels = {{ {labels} }}"] if labels else []
        lines += ["several = true"] if prompt.output.several else []
        lines += [f"schema = {_inline(prompt.output.schema)}"] if prompt.output.schema else []
        lines += [f"stop = [{', '.join(map(_one_line, prompt.output.stop))}]"] if prompt.output.stop else []
    for name, variable in prompt.variables.items():
        lines += ["", f"[variables.{_key(name)}]", f"description = {_quoted(variable.description)}"]
        lines += [f"default = {_quoted(variable.default)}"] if variable.default is not None else []
    for example in prompt.examples:
        lines += ["", "[[examples]]", *(f"{_key(name)} = {_quoted(value)}" for name, value in example.values.items())]
        lines += [f"output = {_quoted(example.output)}"]
    return "\n".join(lines) + "\n"


def _check_names(prompt: Prompt) -> None:
    used = set().union(*(placeholders(template) for template in prompt.templates()))
    undeclared, unused = sorted(used - set(prompt.variables)), sorted(set(prompt.variables) - used)
    if undeclared:
        raise PromptError(
            f"{{{undeclared[0]}}} stands in the prompt and is no variable: write {undeclared[0]} = "
            f'"what it is" under [variables], or {{{{{undeclared[0]}}}}} where braces are meant'
        )
    if unused:
        raise PromptError(f"nothing in the prompt uses the variable {unused[0]}: write {{{unused[0]}}}, or remove it")
    asked = placeholders(prompt.task)
    for number, example in enumerate(prompt.examples, start=1):
        superfluous = sorted(set(example.values) - asked)
        missing = sorted(n for n in asked - set(example.values) if prompt.variables[n].default is None)
        if superfluous:
            raise PromptError(f"example {number} gives {superfluous[0]}, which does not stand in the task: remove it")
        if missing:
            raise PromptError(f"example {number} lacks {missing[0]}, which stands in the task: add it")


def _require_known(found: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in found:
        if name not in names:
            raise PromptError(f"there is no {what} {_cut_for_message(name)!r}: use {', '.join(names)}")


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise PromptError(f"{_cut_for_message(name)} is {_cut_for_message(repr(value))}: it must be a text in quotes")
    return value


def _lines(value: Any, name: str = "instructions") -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise PromptError(f"{name} must be a list of texts in quotes")
    return tuple(value)


def _table(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name, {})
    if not isinstance(value, dict):
        raise PromptError(f"{name} must be a table: write [{name}] and its lines below")
    return value


def _tables(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = found.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise PromptError(f"{name} must be tables: write [[{name}]] and the lines of one below, and again for the next")
    return value


def _example(found: Mapping[str, Any]) -> Example:
    if not isinstance(found.get("output"), str):
        raise PromptError('each of the examples needs its answer: write output = "…"')
    return Example({name: _text(found, name) for name in found if name != "output"}, found["output"])


def _output(found: Any) -> Output:
    if isinstance(found, str):
        return Output(found)
    if not isinstance(found, dict):
        raise PromptError("output must be a text in quotes, or a table with format, labels and the like")
    _require_known(found, ("format", "labels", "several", "stop", "schema"), "part of output called")
    labels = _labels(found.get("labels", {}))
    several, stop = found.get("several", False), _lines(found.get("stop", []), "stop")
    if not isinstance(several, bool) or (several and not labels):
        raise PromptError("output.several must be true or false, and stand beside the labels that it is about")
    if not all(stop):
        raise PromptError("a text that ends answers is empty: write some text in each of output.stop")
    result = Output(_text(found, "format"), labels, several, stop, _table(found, "schema"))
    _require_schema(result)
    return result


def _labels(found: Any) -> Mapping[str, str]:
    if isinstance(found, list):
        if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in found):
            raise PromptError("labels must be texts in quotes, or whole numbers: no other value, list or table")
        twice = [name for name, times in Counter(map(str, found)).items() if times > 1]
        if twice:
            raise PromptError(f"the label {_cut_for_message(twice[0])!r} is listed twice: list it once")
        found = {str(one): str(one) for one in found}
    if not isinstance(found, dict) or not all(isinstance(word, str) and word.strip() for word in found.values()):
        raise PromptError('labels must be a list of texts, or a table of them such as { 0 = "negative" }')
    if any("\0" in text for text in (*found, *found.values())):
        raise PromptError("a label holds a NUL character, which no file of labelled rows can: take it out")
    alike = words_alike(found.values())
    if alike:
        first, second = map(_cut_for_message, alike)
        both = f"{first!r}" if first == second else f"{first!r} and {second!r}, which answers cannot tell apart"
        raise PromptError(f"two labels are called {both}: give each its own word")
    if len(found) == 1:
        raise PromptError("there is one label only: name at least two, or none")
    return found


def _require_schema(output: Output) -> None:
    if output.schema and output.json_schema() is None:
        raise PromptError('output.schema is for JSON: write format = "json" beside it, or leave it out')
    try:
        json.dumps(output.schema, allow_nan=False)
    except (TypeError, ValueError):
        raise PromptError("output.schema holds what JSON has not, such as a date: write it in quotes") from None


def _variable(name: str, value: Any) -> Variable:
    if not _NAME.fullmatch(name) or name == "output":
        raise PromptError(
            f"{_cut_for_message(name)!r} cannot be a variable's name: use letters, digits and _, and not output"
        )
    if isinstance(value, str):
        return Variable(value)
    if not isinstance(value, dict):
        raise PromptError(f"the variable {name} must be a text that describes it, or a table")
    _require_known(value, ("description", "default"), f"part of the variable {name} called")
    default = value.get("default")
    if default is not None and not isinstance(default, str):
        raise PromptError(f"the default of {name} must be a text in quotes")
    return Variable(_text(value, "description"), default)


def _cut_for_message(text: str) -> str:
    """A text from the file, cut if it is too long for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _one_line(name)


def _quoted(text: str) -> str:
    """A TOML string, on several lines where the text is."""
    if "\n" not in text:
        return _one_line(text)
    body = "\n".join(_one_line(line)[1:-1] for line in text.split("\n"))
    if '"""' not in text and not text.endswith('"'):
        body = body.replace('\\"', '"')
    # A line break right after the opening quotes is not part of the text.
    return f'"""\n{body}"""'


def _inline(value: Any) -> str:
    """A value that JSON could hold as TOML on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_inline(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return _one_line(value) if isinstance(value, str) else json.dumps(value)


def _one_line(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that only TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
