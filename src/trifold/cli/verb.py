"""What the command line knows of a verb, and the groups in which `--help` lists them."""

from dataclasses import dataclass

# In the order in which `--help` shows them.
GROUPS = (LEARN, USE, LANGUAGE_MODELS, DOCUMENTS, KEEP_HOUSE) = (
    "Learn",
    "Use",
    "Language models",
    "Documents",
    "Keep house",
)


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        group: What it is for; `--help` lists verbs by that.
        name: As it is typed.
        function: `module:name` of the function that does it; empty where it only has commands of its own.
        summary: One sentence for the list of verbs.
        examples: Command lines for the verb's own help.
        commands: Its own commands, such as `build` of `search`.
    """

    group: str
    name: str
    function: str
    summary: str
    examples: tuple[str, ...] = ()
    commands: tuple["Verb", ...] = ()
