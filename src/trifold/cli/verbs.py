"""The verbs of the `trifold` command, with what `--help` says of each; the functions are imported when they run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        group: What it is for; `--help` lists verbs by that.
        name: As it is typed.
        function: `module:name` of the function that does it.
        summary: One sentence for the list of verbs.
        examples: Command lines for the verb's own help.
    """

    group: str
    name: str
    function: str
    summary: str
    examples: tuple[str, ...]


# In the order in which `--help` shows them.
GROUPS = (LEARN, USE, LANGUAGE_MODELS, DOCUMENTS, KEEP_HOUSE) = (
    "Learn",
    "Use",
    "Language models",
    "Documents",
    "Keep house",
)
PROMPT_FILES = "Prompt files"

VERBS: tuple[Verb, ...] = (
    Verb(
        LEARN,
        "check",
        "trifold.cli.check:check",
        "Report on a data file before anything is trained on it.",
        ("trifold check movie.csv", "trifold check movie.csv --label-column sentiment --json"),
    ),
    Verb(
        LEARN,
        "compare",
        "trifold.cli.train:compare",
        "Try every method on one split and say which to ship.",
        ("trifold compare movie.csv", "trifold compare movie.csv --methods tfidf,features --time-limit 10"),
    ),
    Verb(
        LEARN,
        "finetune",
        "trifold.cli.train:finetune",
        "Train one method and write a run folder.",
        ("trifold finetune movie.csv --method features", "trifold finetune movie.csv --method full --epochs 2"),
    ),
    Verb(
        USE,
        "evaluate",
        "trifold.cli.evaluate:evaluate",
        "Measure a trained model on labelled rows, with 95 % intervals.",
        ("trifold evaluate RUN fresh.csv", "trifold evaluate RUN fresh.csv --json"),
    ),
    Verb(
        USE,
        "predict",
        "trifold.cli.predict:predict",
        "Label a text, or every row of a file in its order.",
        ('trifold predict RUN --text "A quiet, wonderful film."', "trifold predict RUN new.csv --output labelled.csv"),
    ),
    Verb(
        DOCUMENTS,
        "embed",
        "trifold.cli.embed:embed",
        "Turn a text, or a file of texts, into vectors.",
        ("trifold embed minilm new.csv --output vectors.npy", 'trifold embed minilm --text "A quiet film."'),
    ),
    Verb(
        DOCUMENTS,
        "summarize",
        "trifold.cli.summarize:summarize",
        "Summarize a text, a document or each row of a file.",
        ("trifold summarize article.txt --sentences 3", "trifold summarize news.csv --lead-bias --output summaries.csv"),
    ),
    Verb(
        DOCUMENTS,
        "similar",
        "trifold.cli.similar:similar",
        "Tell how alike texts are: two texts, or the rows of files.",
        (
            'trifold similar "A quiet film." "A calm movie."',
            "trifold similar questions.csv answers.csv --top-k 3 --output nearest.csv",
        ),
    ),
    Verb(
        USE,
        "export",
        "trifold.cli.export:export",
        "Write a run as an ONNX graph, in 8-bit integers if held-out rows allow it.",
        ("trifold export RUN", "trifold export RUN --int8 --max-drop 0.5"),
    ),
    Verb(
        USE,
        "bench",
        "trifold.cli.export:bench",
        "Measure how fast a run predicts on this machine, with each engine.",
        ("trifold bench RUN", "trifold bench RUN new.csv --json"),
    ),
    Verb(
        LEARN,
        "pretrain",
        "trifold.cli.language_model:pretrain",
        "Learn from unlabelled text: hidden words or next words.",
        ("trifold pretrain reviews.txt --time-limit 45", "trifold pretrain --show 'I am a data scientist'"),
    ),
    Verb(
        LANGUAGE_MODELS,
        "fill-mask",
        "trifold.cli.language_model:fill_mask",
        "Name the words hidden behind [MASK].",
        ("trifold fill-mask RUN 'The film was [MASK].'", "trifold fill-mask RUN 'A [MASK] cast.' --top-k 10 --json"),
    ),
    Verb(
        LANGUAGE_MODELS,
        "generate",
        "trifold.cli.language_model:generate",
        "Continue a text.",
        (
            "trifold generate RUN 'Once upon a time' --max-new-tokens 60",
            "trifold generate RUN 'how to' --num-return-sequences 5 --stop '.'",
        ),
    ),
    Verb(
        LANGUAGE_MODELS,
        "perplexity",
        "trifold.cli.language_model:perplexity",
        "Measure how well a language model predicts a text.",
        ("trifold perplexity RUN held-out.txt", "trifold perplexity RUN books.parquet --json"),
    ),
    Verb(
        LANGUAGE_MODELS,
        "label",
        "trifold.cli.label:label",
        "Label the rows of a file with a language model.",
        (
            "trifold label new.csv --llm hf:FOLDER --prompt sentiment.toml --output labelled.csv",
            "trifold label new.csv --llm openai:http://localhost:8000/v1#my-model --prompt sentiment.toml --dry-run",
        ),
    ),
    Verb(
        LANGUAGE_MODELS,
        "log",
        "trifold.cli.log:log",
        "Show what language models were sent and what they answered.",
        ("trifold log", "trifold log 12"),
    ),
    Verb(
        KEEP_HOUSE,
        "cache",
        "trifold.cli.cache:cache",
        "List what is kept on disk for later runs, or clear it.",
        ("trifold cache", "trifold cache --clear"),
    ),
    Verb(
        KEEP_HOUSE,
        "doctor",
        "trifold.cli.doctor:doctor",
        "Tell what this machine has, what of it is used, and what is missing.",
        ("trifold doctor", "trifold doctor --json"),
    ),
    Verb(
        KEEP_HOUSE,
        "selftest",
        "trifold.cli.doctor:selftest",
        "Try every method on texts that come with Trifold; about a minute.",
        ("trifold selftest", "trifold selftest --llm hf:FOLDER"),
    ),
    Verb(
        KEEP_HOUSE,
        "completion",
        "trifold.cli.completion:completion",
        "Have the shell complete commands and flags.",
        ("trifold completion --install", "trifold completion bash"),
    ),
    Verb(
        LEARN,
        "demo",
        "trifold.cli.train:demo",
        "Compare all methods on the reviews that come with Trifold.",
        ("trifold demo", "trifold demo --output-dir demo"),
    ),
)
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
            "trifold prompt run summary.toml --var-file text=a.txt --llm openai:http://localhost:8000/v1#my-model",
        ),
    ),
    Verb(
        PROMPT_FILES,
        "chat",
        "trifold.cli.chat:chat",
        "Talk to a language model; the prompt file says how it begins.",
        (
            "trifold prompt chat interviewer.toml --var topic=SQL --llm hf:FOLDER",
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
