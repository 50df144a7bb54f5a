"""Prompts that make a model write prompts: a prompt file from a description, and better instructions from mistakes."""

import re
from collections.abc import Sequence

from trifold.errors import PromptError
from trifold.llm.prompt_file import format_prompt, parse_prompt
from trifold.llm.prompt_template import Conversation, Example, Message, Output, Prompt, Variable

_FENCED = re.compile(r"```(?:toml)?[ \t]*\n(.*?)```", re.DOTALL)
_LISTED = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.+?)\s*$", re.MULTILINE)
_SHOWN_ERRORS = 8
_SHOWN_CHARACTERS = 400
_SAMPLE = Prompt(
    task="Review: {text}\nWhat does it think of the place?",
    role="You read reviews of restaurants for their owners.",
    instructions=("Go by what is said of the food and the service, not of the weather.",),
    examples=(Example({"text": "Cold soup, and an hour's wait for it."}, "bad"),),
    output=Output("One word: good or bad."),
    variables={"text": Variable("The review.")},
)
_WRITE = Prompt(
    role="You write prompts that language models follow well.",
    instructions=(
        "Write a prompt file in TOML and nothing else, between ```toml and ```.",
        "It may have these parts: role, context, task, instructions (a list), [output] with format, [variables.NAME] "
        "with description and perhaps default, and [[examples]].",
        "task is required, and what differs from use to use stands in it as a variable in braces.",
        "Each variable in braces has its [variables.NAME], and each of those is used.",
        "Say plainly who the model is to be, what it has to do and mind, and what an answer looks like.",
        "Give an example where one shows more than words can say.",
    ),
    context="This is a prompt file:\n\n{sample}",
    task="Write a prompt file for this wish: {wish}",
    variables={"wish": Variable("What the prompt is for."), "sample": Variable("A prompt file.")},
)
_IMPROVE = Prompt(
    role="You improve the instructions that a language model is given.",
    instructions=(
        "Find what the mistakes have in common, and write instructions that would have avoided them.",
        "Write a list of short instructions, one a line, each after a hyphen, and nothing else.",
        "Keep what works. Do not quote the texts below: new texts will be different.",
    ),
    task="The prompt is:\n\n{prompt}\n\nIt was right in {right} of {tried} cases. Mistakes:\n\n{mistakes}\n\nThis is "
    "attempt {number}: write the instructions anew.",
    variables={
        name: Variable() for name in ("prompt", "right", "tried", "mistakes", "number")
    },
)  # fmt: skip


def ask_for_prompt(wish: str) -> Conversation:
    """The messages that ask for a prompt file.

    Args:
        wish: What the prompt is for.
    """
    return _WRITE.render({"wish": wish, "sample": format_prompt(_SAMPLE)})


def complain(conversation: Conversation, answer: str, error: PromptError) -> Conversation:
    """The messages that ask for the prompt file again, after one that cannot be read."""
    wrong = f"That file cannot be used: {error}. Write the whole file again, corrected."
    return (*conversation, Message("assistant", answer), Message("user", wrong))


def read_written(answer: str) -> Prompt:
    """The prompt that a model wrote.

    Raises:
        PromptError: If there is none in its answer, or it cannot be read.
    """
    fenced = _FENCED.search(answer)
    return parse_prompt(fenced[1] if fenced else answer)


def ask_for_instructions(
    prompt: Prompt, mistakes: Sequence[tuple[str, str, str]], tried: int, number: int
) -> Conversation:
    """The messages that ask for better instructions.

    Args:
        prompt: The current prompt.
        mistakes: Text, given answer and right answer of each mistake.
        tried: Number of texts that were tried.
        number: Number of the attempt, which makes attempts differ.
    """
    listed = "\n\n".join(
        f"Text: {text[:_SHOWN_CHARACTERS]}\nAnswered: {answered}\nRight: {right}"
        for text, answered, right in mistakes[:_SHOWN_ERRORS]
    )
    values = {
        "prompt": format_prompt(prompt),
        "right": str(tried - len(mistakes)),
        "tried": str(tried),
        "mistakes": listed or "none",
        "number": str(number),
    }
    return _IMPROVE.render(values)


def read_instructions(answer: str) -> tuple[str, ...]:
    """The instructions that a model wrote; none if it wrote no list.

    Names in braces are doubled, since they would become placeholders.
    """
    lines = (re.sub(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})", r"{{\1}}", line) for line in _LISTED.findall(answer))
    return tuple(dict.fromkeys(lines))
