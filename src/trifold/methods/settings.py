"""Every setting of a training in one composed dataclass: flags, TOML files, requests and `TextClassifier` use it.

To add a setting, add a field to the group that it belongs to, and its name to the methods that use it
(`catalogue.py`).
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from trifold.data.settings import DataSettings
from trifold.errors import SettingsError, nearest_name, require
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import BackboneSettings
from trifold.statistics.metric import ALLOWED, is_metric
from trifold.train.settings import TrainSettings

# On the command line a group has no name of its own: each of its fields is a flag.
_FLAT = Parameter(name="*")


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """What stands on frozen features.

    Attributes:
        head: Classifier on frozen features; auto lets validation choose between the two.
    """

    head: Literal["auto", "logistic", "mlp"] = "auto"


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """Which parts of a backbone are trained.

    Attributes:
        train_layers: For full: train only so many layers, from the top, and the head; all layers by default.
        freeze_embeddings: For full: leave the word vectors as they are.
        adapter_layers: For adapters: put them into so many layers, from the top; into all by default.
        adapter_size: For adapters: rank of a low-rank one (8), width of a bottleneck's narrow part (48).
        merge_adapter: For adapter-lora: save the backbone with its adapters added in, as an ordinary model.
    """

    train_layers: int | None = None
    freeze_embeddings: bool = False
    adapter_layers: int | None = None
    adapter_size: int | None = None
    merge_adapter: bool = False

    def __post_init__(self) -> None:
        for name in ("train_layers", "adapter_layers", "adapter_size"):
            value = getattr(self, name)
            low = 0 if name == "train_layers" else 1
            require(value is None or value >= low, f"--{name.replace('_', '-')} {value}", f"give {low} or more")


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """What the labels mean, and when a row gets one of several.

    Attributes:
        label_description: For zero-shot and prompt: LABEL="what it means in words"; may be given for each label.
        threshold: Where a row may have several labels, the probability from which on it gets one: a number, or found on
            validation rows, per-label or common to all.
    """

    label_description: tuple[str, ...] = ()
    threshold: float | str = "per-label"

    def __post_init__(self) -> None:
        given = self.threshold
        allowed = given in ("per-label", "common") or (isinstance(given, float) and 0 < given < 1)
        require(allowed, f"--threshold {given}", "give a probability such as 0.3, or per-label or common")
        for item in self.label_description:
            label, equals, words = item.partition("=")
            require(
                bool(label.strip() and equals and words.strip()),
                f"--label-description {item!r}",
                'write LABEL="what it means", such as 0="a negative review"',
            )

    def require_used(self, *, several_labels: bool) -> None:
        """Refuse a threshold where each row has one label, the likeliest.

        Raises:
            SettingsError: If there is one.
        """
        given = self.threshold
        require(
            several_labels or given == "per-label",
            f"--threshold {given}",
            "it is for rows with several labels, and here each row has one: leave it out",
        )

    def described(self) -> dict[str, str]:
        """Label to its description."""
        parts = (item.partition("=") for item in self.label_description)
        return {label.strip(): words.strip() for label, _, words in parts}


@dataclass(frozen=True, kw_only=True)
class RankingSettings:
    """What methods are ranked by.

    Attributes:
        metric: What decides: accuracy, macro_f1, micro_f1, samples_f1, roc_auc, average_precision, mcc, log_loss, or
            f1:LABEL, recall:LABEL, precision:LABEL of one label; by default accuracy, or macro_f1 where classes are
            uneven or a row may have several labels.
    """

    metric: str | None = None

    def __post_init__(self) -> None:
        given = self.metric
        if given is not None and not is_metric(given):
            like = nearest_name(given, ALLOWED)
            guess = f"did you mean {like}? " if like else ""
            raise SettingsError(
                f"--metric {given} is not allowed: {guess}give {', '.join(ALLOWED[:-1])} or {ALLOWED[-1]}"
            )


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """Everything that a method may be told.

    Attributes:
        backbone: Which model, and how it is run.
        train: How it is trained.
        head: What stands on frozen features.
        tuning: Which parts of a backbone are trained.
        labels: What the labels mean, and when a row gets one of several.
        ranking: What decides between methods.
        llm: Which language model is asked, and what it may cost.
        prompting: How the task is put to it.
    """

    backbone: Annotated[BackboneSettings, _FLAT] = field(default_factory=BackboneSettings)
    train: Annotated[TrainSettings, _FLAT] = field(default_factory=TrainSettings)
    head: Annotated[HeadSettings, _FLAT] = field(default_factory=HeadSettings)
    tuning: Annotated[TuningSettings, _FLAT] = field(default_factory=TuningSettings)
    labels: Annotated[LabelSettings, _FLAT] = field(default_factory=LabelSettings)
    ranking: Annotated[RankingSettings, _FLAT] = field(default_factory=RankingSettings)
    llm: Annotated[LlmSettings, _FLAT] = field(default_factory=LlmSettings)
    prompting: Annotated[PromptingSettings, _FLAT] = field(default_factory=PromptingSettings)

    @property
    def method_groups(self) -> dict[str, Any]:
        """The groups of settings that methods see, by name."""
        return {group.name: getattr(self, group.name) for group in fields(MethodSettings)}

    def named(self) -> dict[str, object]:
        """Every setting that methods see, by its name."""
        return {name: value for group in self.method_groups.values() for name, value in vars(group).items()}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(MethodSettings):
    """Everything that may be said of a training: how its data are read, and what its method is told.

    Attributes:
        reading: How the data file is read and split.
    """

    reading: Annotated[DataSettings, _FLAT] = field(default_factory=DataSettings)

    @property
    def method_settings(self) -> MethodSettings:
        """The part that methods see."""
        return MethodSettings(**self.method_groups)
