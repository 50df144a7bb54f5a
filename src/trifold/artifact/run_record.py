"""`run.json` of a run folder: a record of each kind of run, the one writer and the one reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from trifold.artifact.data_record import AnswersDataRecord, DataRecord
from trifold.artifact.manifest import MANIFEST
from trifold.artifact.metrics_file import MajorityFacts
from trifold.atomic import write_json
from trifold.errors import ArtifactError
from trifold.folder_kinds import wrong_kind
from trifold.models.backbone_files import BackboneFiles
from trifold.models.settings import reach_in_words
from trifold.schema import Amount, Count, JsonRecord, Rule, Size, read_value
from trifold.statistics.metric import is_metric
from trifold.types import Label

RUN = "run.json"
# Settings that reach out, write or run code: a folder may come from anyone, so none has a say in them.
NEVER_FROM_A_RUN = frozenset(("llm", "api_key_env", "log", "report_to", "trust_remote_code"))

LabelNames = Annotated[
    list[Label | bool], Rule("a list of labels, none twice", lambda names: 0 < len(names) == len(set(names)))
]
Share = Annotated[float, Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)]


@dataclass(frozen=True, kw_only=True)
class BackboneRecord(JsonRecord):
    """Which model a run stands on, as `BackboneFiles.facts` gives it; `head` is what it had learned to say before."""

    name: str
    revision: str | None
    sha256: str
    head: str | None = None

    @classmethod
    def of(cls, files: BackboneFiles, head: str | None = None) -> "BackboneRecord":
        """The record of a model that was found."""
        return cls(name=files.name, revision=files.revision, sha256=files.sha256(), head=head)


@dataclass(frozen=True, kw_only=True)
class ExportedRecord(JsonRecord):
    """How a run was exported, and what that cost on held-out rows."""

    engine: str
    from_: str | None = None
    drop_points: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None
    max_drop: float | None = None
    rows: Count | None = None
    rows_from: str | None = None
    agreement: float | None = None
    difference: float | None = None
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord(JsonRecord):
    """What `run.json` says of any run.

    Attributes:
        command: That makes it again.
        seed: Seed of everything random in training.
        versions: Package to version.
        hardware: As `runtime.hardware` gives it.
        seconds: Seconds of the whole command; a run that Python saved does not say it.
    """

    command: str
    seed: int
    versions: dict[str, str]
    hardware: dict[str, Any]
    seconds: Amount | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRecord(RunRecord):
    """A run that trained one model.

    Attributes:
        method: Name.
        started: ISO date and time, UTC.
        choices: What was chosen for it, name to plain value.
        asked: What decides on the model; earlier versions did not say it.
    """

    method: str
    started: str
    choices: dict[str, Any]
    asked: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ClassifierRecord(ModelRecord):
    """A classifier, however it was trained: also what `TextClassifier.save` writes.

    Attributes:
        settings: Setting to value, but for those in which no run has a say.
        labels: Class order; truth values are of Python programs, of a file they are text.
        score_name: Name of the metric that decides on its data.
        trainable_parameters: Numbers that were learned.
        multi_label: Whether a text may have several labels.
        thresholds: Of each label then.
        label_type: NumPy's name for the type of the labels that Python gave.
        indicator: Where Python gave an indicator matrix, the label of each of its columns.
        exported: Where the model is an export.
        pairs: Whether it reads pairs of texts.
    """

    settings: dict[str, Any]
    labels: LabelNames
    score_name: Annotated[str, Rule("the name of a metric", is_metric)]
    trainable_parameters: Count
    multi_label: bool | None = None
    thresholds: list[Share] | None = None
    label_type: str | None = None
    indicator: LabelNames | None = None
    exported: ExportedRecord | None = None
    pairs: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TestedRecord(ModelRecord):
    """A model that `finetune` trained on a file and tested, with what its answers cost.

    Attributes:
        data: That it learned from.
        backbone: That it stands on; `None` where it needs none.
        max_length: Tokens of a text that are read.
        train_seconds: Seconds of training alone, as if nothing had come from the cache.
        train_seconds_from_cache: What the cache saved of it.
        ms_per_text: Milliseconds of predicting one text among many.
        ms_per_text_range: The least and the most, of several passes.
        size_bytes: On disk, with the backbone.
        peak_memory_bytes: Peak memory of the process.
        truncated_test_texts: Test texts that were too long to be read whole.
        settings: As in `ClassifierRecord`.
        trainable_parameters: Numbers that were learned.
    """

    settings: dict[str, Any]
    trainable_parameters: Count
    data: DataRecord
    backbone: BackboneRecord | None
    max_length: Size
    train_seconds: Amount
    train_seconds_from_cache: Amount
    ms_per_text: Amount
    ms_per_text_range: tuple[Amount, Amount]
    size_bytes: Count
    peak_memory_bytes: Count
    truncated_test_texts: Count


@dataclass(frozen=True, kw_only=True)
class FinetuneRecord(ClassifierRecord, TestedRecord):
    """A classifier that `finetune` trained on a file and tested.

    Attributes:
        teacher: Where a language model gave the labels: how the two compare.
        majority: The best constant answer; earlier versions did not say it.
    """

    teacher: dict[str, Any] | None = None
    majority: MajorityFacts | None = None

    @property
    def reach(self) -> str:
        """What it reads of a text at most, in words."""
        asked = self.settings
        return reach_in_words(self.max_length, asked.get("long_text", "truncate"), asked.get("max_windows"))


@dataclass(frozen=True, kw_only=True)
class SimilarityRecord(TestedRecord):
    """A model that `finetune --task similarity` trained on scored pairs and tested."""

    task: Literal["similarity"]


@dataclass(frozen=True, kw_only=True)
class GenerateRecord(ModelRecord):
    """A decoder that `finetune --task generate` taught to answer."""

    task: Literal["generate"]
    data: AnswersDataRecord
    backbone: BackboneRecord
    trainable_parameters: Count
    train_seconds: Amount
    peak_memory_bytes: Count


@dataclass(frozen=True, kw_only=True)
class PretrainRecord(ModelRecord):
    """A language model that `pretrain` trained.

    Attributes:
        objective: Masked or next words.
        data: Name to plain value; among them path, documents, tokens.
        backbone: That it goes on from; `None` for a new model.
        budget: What the training might spend.
        parameters: Number of parameters of the model.
        trained_tokens: Each pass counted.
        train_seconds: Seconds of training alone.
        peak_memory_bytes: Peak memory of the process.
        samples: What the model says to held-out beginnings.
        held_out_loss: On the validation part; earlier versions did not say it here.
        unigram_loss: As `unigram_loss` gives it, to tell whether anything was learned; earlier versions did not say it.
    """

    objective: Literal["mlm", "clm"]
    data: dict[str, Any]
    backbone: BackboneRecord | None
    budget: dict[str, Any]
    parameters: Count
    trained_tokens: Count
    train_seconds: Amount
    peak_memory_bytes: Count
    samples: list[dict[str, str]]
    held_out_loss: Amount | None = None
    unigram_loss: Amount | None = None


@dataclass(frozen=True, kw_only=True)
class VerdictRecord(JsonRecord):
    """What a comparison decided; the fields are those of `Verdict`."""

    ship: str
    best: str
    guess: bool
    expected: dict[str, float] | None
    undecided: bool
    sentences: list[str]


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord(RunRecord):
    """A comparison of several methods; its folder holds their runs.

    Attributes:
        verdict: Its decision.
        skipped: Method to the reason why it is missing.
        forecast_seconds: Method to what it was expected to take.
        data: That all of them learned from.
        train_seconds: Seconds of all of them.
    """

    verdict: VerdictRecord
    skipped: dict[str, str]
    forecast_seconds: dict[str, Amount]
    data: DataRecord
    train_seconds: Amount


def as_record(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings as `run.json` holds them: without those in which no run has a say."""
    return {name: value for name, value in settings.items() if name not in NEVER_FROM_A_RUN}


def write_run_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json` of a run folder."""
    write_json(folder / RUN, record.as_json())


def read_run_record(folder: Path) -> RunRecord:
    """`run.json` of a run folder, as the kind of run that it says it is of.

    Raises:
        ArtifactError: If it is missing or damaged, the training is unfinished, or the folder is of another kind.
    """
    if folder.is_dir() and not (folder / RUN).exists():
        if other := wrong_kind(folder, "a run folder"):
            raise ArtifactError(other)
        if not any((folder / name).exists() for name in (MANIFEST, "model")):
            raise ArtifactError(
                f"{folder} holds no run: name the folder that finetune or compare prints as its last line"
            )
    found: RunRecord = read_value(folder / RUN, _kind_of)
    return found


def _kind_of(value: Any) -> type[RunRecord]:
    """The record that a file's content is of; one of a classifier where nothing tells."""
    known = value if isinstance(value, dict) else {}
    if "verdict" in known:
        return ComparisonRecord
    if known.get("method") == "pretrain":
        return PretrainRecord
    kinds: dict[str, type[RunRecord]] = {"generate": GenerateRecord, "similarity": SimilarityRecord}
    return kinds.get(str(known.get("task")), FinetuneRecord)
