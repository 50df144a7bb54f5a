"""The words for labels in a prompt; in the data the labels may be 0 and 1."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from trifold.errors import PromptError, SettingsError
from trifold.llm.answer_parser import words_alike
from trifold.llm.prompt_template import Output, Prompt, Variable
from trifold.tasks.labels import LabelMap, describe_labels

# The prompt that is used without a prompt file, still without its labels.
PLAIN_PROMPT = Prompt(
    task="Text: {text}\nLabel:", role="You label texts.", variables={"text": Variable("The text to label.")}
)
_PLAIN_PROMPT_OF_PAIRS = Prompt(
    task="First text: {first}\nSecond text: {second}\nLabel:",
    role="You label pairs of texts.",
    variables={"first": Variable("The first text of the pair."), "second": Variable("The second one.")},
)


def word_labels(
    prompt: Prompt | None, labels: LabelMap, described: Mapping[str, str], *, pairs: bool = False
) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt with its labels, and the word for each label in class order.

    Args:
        prompt: From a prompt file; `None` for a plain prompt.
        labels: The labels of the data.
        described: Words from the flags, by label. They override the prompt's words, which override the labels' names.
        pairs: Whether pairs of texts are labelled.

    Raises:
        PromptError: If the prompt is for other labels, or has no variable for the text.
        SettingsError: If a description is for no label, or two labels have one word.
    """
    names = [str(label) for label in labels.names]
    known = dict(prompt.output.labels) if prompt else {}
    if known and set(known) != set(names):
        raise PromptError(
            f"the prompt has the labels {', '.join(known)}, and the data {', '.join(names)}: write output.labels as a "
            f"table from the data's to the prompt's, such as {{ {names[0]} = \"…\" }}"
        )
    if prompt and prompt.output.several and not labels.multi_label:
        raise PromptError("the prompt has output.several, and the data have one label a row: take it out")
    own = describe_labels(labels, dict(described))
    words = tuple(described.get(name) or known.get(name) or word for name, word in zip(names, own, strict=True))
    if alike := words_alike(words):
        raise SettingsError(f"two labels are called alike ({', '.join(alike)}): give each a --label-description")
    prompt = prompt or (_PLAIN_PROMPT_OF_PAIRS if pairs else PLAIN_PROMPT)
    prompt.text_variables(pairs=pairs)
    output = replace(prompt.output, labels=dict(zip(names, words, strict=True)), several=labels.multi_label)
    return replace(prompt, output=output), words


def plain_prompt(words: Iterable[str]) -> Prompt:
    """The prompt that is used without a prompt file, for labels that are called as they are."""
    return replace(PLAIN_PROMPT, output=Output(labels={word: word for word in words}))
