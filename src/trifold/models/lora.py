"""Low-rank adapters of a model's matrices (LoRA), in peft's format.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from trifold.errors import ArtifactError
from trifold.json_reading import parse_json
from trifold.models.backbone_files import BackboneFiles, reason_of
from trifold.models.named_models import hub_base
from trifold.models.weight_names import bare_name

if TYPE_CHECKING:
    import torch

ADAPTER_CONFIG = "adapter_config.json"
_RANK = 8
# File name and parts of tensor names in what peft saves.
_WEIGHTS, _SHELL, _DOWN, _UP = "adapter_model.safetensors", "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_NAMING_MODULES = ("auto_mapping", "megatron_config")
# With any of these options set, an adapter is more than a product of two matrices with one scale for all.
_UNSUPPORTED_OPTIONS = (
    *("use_dora", "use_rslora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out"),
    *("rank_pattern", "alpha_pattern", "layer_replication"),
    *("target_parameters", "trainable_token_indices", "alora_invocation_tokens"),
)


def add_adapter(model: Any, files: BackboneFiles, rank: int | None, **options: Any) -> Any:
    """Freeze a model and add trainable low-rank matrices to it.

    Args:
        model: A model of transformers.
        files: The model's files.
        rank: Rank of the matrices; 8 if `None`.
        options: Options of peft's `LoraConfig`: the kind of task, and which matrices are adapted.
    """
    from peft import LoraConfig, get_peft_model

    rank = rank or _RANK
    with _quiet():
        wrapped = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, **options))
    # The saved adapter names its base by the public name, not by a path on this machine, nor by one of ours.
    config = wrapped.peft_config["default"]
    config.base_model_name_or_path, config.revision = hub_base(files.name, files.revision)
    return wrapped


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter and the other trained modules; the base model is not copied."""
    # Without the flag, peft would ask the hub whether the vocabulary has grown.
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


def load_adapter(model: Any, folder: Path) -> Any:
    """A model with the adapter saved in `folder`, in evaluation mode.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    from peft import PeftModel

    try:
        config = parse_json((folder / ADAPTER_CONFIG).read_bytes())
        # peft imports the modules that these options name, and unpickles weights that are not safetensors.
        if any(config.get(name) for name in _NAMING_MODULES):
            raise ValueError(f"its {ADAPTER_CONFIG} names code to import, which is not run")
        # Other kinds may name further models, which peft would find and open by itself.
        if config.get("peft_type") != "LORA":
            raise ValueError(f"its {ADAPTER_CONFIG} is not of the kind LORA, the only one that is read")
        if not (folder / _WEIGHTS).is_file():
            raise ValueError(f"it has no {_WEIGHTS}")
        with _quiet():
            return PeftModel.from_pretrained(model, str(folder), local_files_only=True).eval()
    except Exception as error:  # noqa: BLE001 - peft promises nothing about exceptions on damaged adapters
        raise ArtifactError(
            f"the adapter in {folder} is missing or damaged ({reason_of(error)}): train again"
        ) from None


@dataclass(frozen=True)
class Adapter:
    """The trained tensors of a LoRA.

    Attributes:
        tensors: By name, without peft's prefix: low-rank matrices, and modules that were trained whole.
        scale: Factor of the product of two low-rank matrices.
    """

    tensors: "dict[str, torch.Tensor]"
    scale: float

    def merged_into(self, base: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor] | None":
        """The tensors of the base model with the adapter added, `W + scale * up @ down`; `None` if they do not fit.

        Args:
            base: Tensors of the base model, by their names in its files.
        """
        merged, left = {bare_name(name): tensor for name, tensor in base.items()}, dict(self.tensors)
        try:
            for name in self.tensors:
                if name.endswith(_DOWN):
                    target = bare_name(f"{name.removesuffix(_DOWN)}.weight")
                    down, up = left.pop(name), left.pop(name.replace(_DOWN, _UP))
                    merged[target] = merged[target].float() + self.scale * (up @ down)
        except (KeyError, RuntimeError):
            return None
        return {**merged, **left}


def adapter_of(model: Any) -> Adapter | None:
    """The adapter of a model from `add_adapter` or `load_adapter`; `None` if it has unsupported options."""
    from peft import get_peft_model_state_dict

    return _simple_adapter(
        model.peft_config["default"].to_dict(), get_peft_model_state_dict(model, save_embedding_layers=False)
    )


def read_adapter(folder: Path) -> Adapter | None:
    """The adapter saved in `folder`; `None` if it is damaged or has unsupported options, which peft then reports."""
    from safetensors.torch import load_file

    try:
        return _simple_adapter(parse_json((folder / ADAPTER_CONFIG).read_bytes()), load_file(folder / _WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, SafetensorError):
        return None


def _simple_adapter(config: dict[str, Any], tensors: "dict[str, torch.Tensor]") -> Adapter | None:
    """The adapter if it is a product of two matrices with one scale, without biases."""
    if (
        config["peft_type"] != "LORA"
        or config["bias"] != "none"
        or any(config.get(name) for name in _UNSUPPORTED_OPTIONS)
    ):
        return None
    named = {name.removeprefix(_SHELL): tensor.detach().cpu().float() for name, tensor in tensors.items()}
    return Adapter(named, config["lora_alpha"] / config["r"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings of peft about transformers' versions and about shapes that it corrects itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
