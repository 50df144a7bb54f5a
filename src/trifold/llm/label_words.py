"""What labels are called in a prompt, where the data may call them 0 and 1."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from trifold.errors import PromptError, SettingsError
from trifold.llm.prompt_template import Output, Prompt, Variable
from trifold.tasks.labels import LabelMap, describe_labels


def word_labels(
    prompt: Prompt | None, labels: LabelMap, described: Mapping[str, str]
) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt with its labels, and what each is called, in class order.

    Args:
        prompt: From a file; a plain one is made where `None`.
        labels: Of the data.
        described: What the flags call them, which wins over the prompt, which wins over the label's own name.

    Raises:
        PromptError: If the prompt is for other labels, or has no place for a text.
        SettingsError: If a description is for no label, or two labels are called alike.
    """
    names = [str(label) for label in labels.names]
    known = dict(prompt.output.labels) if prompt else {}
    if known and set(known) != set(names):
        raise PromptError(
            f"the prompt has the labels {', '.join(known)}, and the data {', '.join(names)}: write output.labels as a "
            f"table from the data's to the prompt's, such as {{ {names[0]} = \"…\" }}"
        )
    own = describe_labels(labels, dict(described))
    words = tuple(described.get(name) or known.get(name) or word for name, word in zip(names, own, strict=True))
    if len({word.casefold() for word in words}) < len(words):
        raise SettingsError(f"two labels are called alike ({', '.join(words)}): give each a --label-description")
    if prompt is None:
        return plain_prompt(words), words
    prompt.text_variable()
    return replace(prompt, output=replace(prompt.output, labels=dict(zip(names, words, strict=True)))), words


def plain_prompt(words: Iterable[str]) -> Prompt:
    """What is sent where the user names no prompt file."""
    return Prompt(
        task="Text: {text}\nLabel:",
        role="You label texts.",
        output=Output(labels={word: word for word in words}),
        variables={"text": Variable("The text to label.")},
    )
