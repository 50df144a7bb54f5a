"""Commands of verbs that have several: `prompt …`, `search …`, `skills …`."""

from trifold.cli.verb import Verb

PROMPT_FILES, DOCUMENT_INDEX, SUMMARIES, SKILLS = "Prompt files", "Document index", "Summaries", "Skills"
# In the order in which `--help` of their verbs shows them.
SUB_GROUPS = (PROMPT_FILES, DOCUMENT_INDEX, SUMMARIES, SKILLS)

PROMPT_VERBS: tuple[Verb, ...] = (
    Verb(
        PROMPT_FILES,
        "show",
        "trifold.cli.prompt_files:show",
        "Print exactly what would be sent to the model.",
        (
            'trifold prompt show sentiment.toml --var text="A quiet film."',
            "trifold prompt show sentiment.toml --var-file text=review.txt --llm hf:FOLDER",
        ),
    ),
    Verb(
        PROMPT_FILES,
        "run",
        "trifold.cli.prompt_files:run",
        "Send a prompt and print the answer.",
        (
            'trifold prompt run sentiment.toml --var text="A quiet film." --llm hf:FOLDER',
            "trifold prompt run summary.toml --file articles.csv --output summaries.csv --llm hf:FOLDER",
        ),
    ),
    Verb(
        PROMPT_FILES,
        "chat",
        "trifold.cli.chat:chat",
        "Talk to a language model; a prompt file says how it begins.",
        (
            "trifold prompt chat --llm hf:FOLDER",
            "trifold prompt chat interviewer.toml --var topic=SQL --llm openai:http://localhost:8000/v1#my-model",
        ),
    ),
    Verb(
        PROMPT_FILES,
        "diff",
        "trifold.cli.prompt_files:diff",
        "Show the differences between two prompt files.",
        ("trifold prompt diff old.toml new.toml", "trifold prompt diff old.toml new.toml --json"),
    ),
    Verb(
        PROMPT_FILES,
        "write",
        "trifold.cli.prompt_files:write",
        "Have a language model write a prompt file from a wish.",
        (
            'trifold prompt write "sort support mail by urgency" --llm hf:FOLDER',
            'trifold prompt write "plan a week of meals" --output meals.toml --llm hf:FOLDER',
        ),
    ),
    Verb(
        PROMPT_FILES,
        "improve",
        "trifold.cli.prompt_files:improve",
        "Try other instructions and examples on validation rows; keep the best.",
        (
            "trifold prompt improve sentiment.toml movie.csv --llm hf:FOLDER",
            "trifold prompt improve sentiment.toml movie.csv --llm hf:FOLDER --candidates 8 --dry-run",
        ),
    ),
)
SEARCH_VERBS: tuple[Verb, ...] = (
    Verb(
        DOCUMENT_INDEX,
        "build",
        "trifold.cli.search:build",
        "Make an index of documents, or bring it up to date.",
        ("trifold search build movie.csv --index films", "trifold search build papers/ --index papers-index"),
    ),
    Verb(
        DOCUMENT_INDEX,
        "query",
        "trifold.cli.search:query",
        "Find the documents that answer a query best.",
        (
            'trifold search query films "a robot learns to feel"',
            "trifold search query films --queries questions.csv --top-k 3 --output answers.csv",
        ),
    ),
    Verb(
        DOCUMENT_INDEX,
        "complete",
        "trifold.cli.search_complete:complete",
        "Complete a query that is being typed.",
        (
            'trifold search complete films "how to"',
            'trifold search complete films "the best" --queries asked.csv --json',
        ),
    ),
    Verb(
        DOCUMENT_INDEX,
        "eval",
        "trifold.cli.search_eval:evaluate_search",
        "Measure how well an index finds what is known to be relevant.",
        (
            "trifold search eval papers-index queries.csv judged.csv",
            "trifold search eval papers-index queries.parquet qrels.parquet --split dev --json",
        ),
    ),
    Verb(
        DOCUMENT_INDEX,
        "info",
        "trifold.cli.search:info",
        "Tell what an index holds, and whether it is whole.",
        ("trifold search info films", "trifold search info films --json"),
    ),
)
SUMMARIZE_VERBS: tuple[Verb, ...] = (
    Verb(
        SUMMARIES,
        "eval",
        "trifold.cli.summarize:evaluate",
        "Measure summaries against those that people wrote.",
        (
            "trifold summarize eval news.csv --text-column article --summary-column highlights",
            "trifold summarize eval news.csv --lead-bias --json",
        ),
    ),
)
SKILL_VERBS: tuple[Verb, ...] = (
    Verb(
        SKILLS,
        "add",
        "trifold.cli.skills:add",
        "Write SKILL.md, by which an agent knows Trifold's commands.",
        ("trifold skills add", "trifold skills add --global --force"),
    ),
    Verb(
        SKILLS,
        "preview",
        "trifold.cli.skills:preview",
        "Print what skills add would write.",
        ("trifold skills preview", "trifold skills preview > SKILL.md"),
    ),
)
