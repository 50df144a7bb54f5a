"""What the JSON files of run folders hold, as far as anything reads it back: the shapes they are checked against."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from trifold.schema import Amount, Count, Facts, Rule, Size, read_facts
from trifold.types import Label

RUN, METRICS = "run.json", "metrics.json"
# Settings that reach out, write or run code: a folder may come from anyone, so none has a say in them.
NEVER_FROM_A_RUN = frozenset(("llm", "api_key_env", "log", "report_to", "trust_remote_code"))

# Of Python programs; a file gives the spelling of a truth value.
Labels = Annotated[
    list[Label | bool], Rule("a list of labels, none twice", lambda names: 0 < len(names) == len(set(names)))
]
_Share = Annotated[float, Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)]


class ColumnFacts(TypedDict, total=False):
    """How a data file was read: the fields of `DataSettings`."""

    text_column: str | None
    encoding: str | None
    on_bad_rows: Literal["skip", "fail"]
    label_column: str | None
    label_separator: str | None
    merge_labels: bool
    test_file: str | None
    validation_file: str | None


class DataFacts(TypedDict, total=False):
    """The data that a run learned from."""

    path: str
    reading: ColumnFacts
    sha256: str
    test_file_sha256: str | None
    validation_file_sha256: str | None
    text_column: str
    label_column: str
    rows_in: Count
    rows_used: Count
    parts: dict[str, Count]
    documents: Count
    tokens: Count


class BackboneFacts(TypedDict, total=False):
    """As `BackboneFiles.facts` gives."""

    name: str
    revision: str | None
    sha256: str


class ExportedFacts(TypedDict, total=False):
    """How a run was exported."""

    engine: str


class VerdictFacts(TypedDict, total=False):
    """What a comparison decided."""

    ship: str


class RunFacts(TypedDict, total=False):
    """`run.json`, of whatever kind the run is."""

    method: str
    task: str
    command: str
    started: str
    seed: int
    versions: dict[str, str]
    hardware: dict[str, Any]
    data: DataFacts
    asked: dict[str, Any]
    labels: Labels
    label_type: str
    multi_label: bool
    thresholds: list[_Share]
    score_name: Literal["accuracy", "macro_f1"]
    backbone: BackboneFacts | None
    max_length: Size
    choices: dict[str, Any]
    train_seconds: Amount
    ms_per_text: Amount
    ms_per_text_range: tuple[Amount, Amount]
    trainable_parameters: Count
    size_bytes: Count
    peak_memory_bytes: Count
    truncated_test_texts: Count
    exported: ExportedFacts
    verdict: VerdictFacts
    settings: dict[str, Any]
    teacher: dict[str, Any]


class IntervalFacts(TypedDict, total=False):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class MetricsFacts(TypedDict, total=False):
    """`metrics.json` of a classifier."""

    accuracy: IntervalFacts
    macro_f1: IntervalFacts
    log_loss: float
    calibration_error: float
    rows: Count


class LanguageModelFacts(TypedDict, total=False):
    """`metrics.json` of a language model."""

    objective: Literal["mlm", "clm"]
    accuracy: float
    loss: float
    perplexity: float
    pseudo_perplexity: float
    bits_per_byte: float
    pseudo_bits_per_byte: float
    unknown_share: float
    exact_match: float
    exact_match_rows: Count


class ModelFacts(TypedDict, total=False):
    """`model/head.json`: what a predictor needs to come back, beside its arrays."""

    labels: Labels
    multi_label: bool
    thresholds: list[_Share]
    max_length: Size
    long_text: Literal["truncate", "head+tail"]
    engine: Literal["torch", "torch-int8", "onnx", "onnx-int8"]
    base: str
    base_revision: str | None
    base_sha256: str
    head: Literal["logistic", "mlp"]
    places: Annotated[list[tuple[Count, Literal["first", "mean", "max"]]], Rule("a list of at least one place", bool)]
    size: Size
    layers: Size
    by_mean: bool
    behind_prompt: str
    analyzer: Literal["word", "char"]


class PromptingFacts(TypedDict, total=False):
    """`model/head.json` of a run that asks a language model; what it is asked with stands in `model/prompt.json`."""

    labels: Labels
    multi_label: bool
    thresholds: list[_Share]
    llm: str
    llm_bytes: Count
    max_tokens: Size
    temperature: Amount
    votes: Size
    words: list[str]
    cloze: str
    max_length: Size | None
    long_text: Literal["truncate", "head+tail"]
    base: str
    base_revision: str | None
    base_sha256: str


def as_record(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings as `run.json` holds them: without those in which no run has a say."""
    return {name: value for name, value in settings.items() if name not in NEVER_FROM_A_RUN}


def read_run_record(folder: Path) -> Facts:
    """`run.json` of a run folder.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    return read_facts(folder / RUN, RunFacts)


def read_metrics(folder: Path, shape: type = MetricsFacts) -> Facts:
    """`metrics.json` of a run folder, of a classifier or, in the shape `LanguageModelFacts`, of a language model.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    return read_facts(folder / METRICS, shape)
