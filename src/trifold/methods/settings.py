"""What a method may be told beyond its backbone and its training."""

from dataclasses import dataclass
from typing import Literal

from trifold.errors import require


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
    """What the labels mean.

    Attributes:
        label_description: For zero-shot and prompt: LABEL="what it means in words"; may be given for each label.
    """

    label_description: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in self.label_description:
            label, equals, words = item.partition("=")
            require(
                bool(label.strip() and equals and words.strip()),
                f"--label-description {item!r}",
                'write LABEL="what it means", such as 0="a negative review"',
            )

    def described(self) -> dict[str, str]:
        """Label to its description."""
        parts = (item.partition("=") for item in self.label_description)
        return {label.strip(): words.strip() for label, _, words in parts}
