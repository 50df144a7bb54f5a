"""Low-rank adapters beside a model's own matrices, in peft's format.

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
from trifold.models.weight_names import bare_name

if TYPE_CHECKING:
    import torch

ADAPTER_CONFIG = "adapter_config.json"
_RANK = 8
# How peft names what it saves.
_WEIGHTS, _SHELL, _DOWN, _UP = "adapter_model.safetensors", "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_NAMING_MODULES = ("auto_mapping", "megatron_config")
# With any of these it computes something else than the product of two matrices, all scaled alike.
_NOT_PLAIN = (
    *("use_dora", "use_rslora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out"),
    *("rank_pattern", "alpha_pattern", "layer_replication"),
    *("target_parameters", "trainable_token_indices", "alora_invocation_tokens"),
)


def add_adapter(model: Any, files: BackboneFiles, rank: int | None, **options: Any) -> Any:
    """The model with trainable low-rank matrices; what they are beside is frozen.

    Args:
        model: From transformers.
        files: Of the model.
        rank: Of the matrices; 8 where `None`.
        options: peft's: what the model is for, and which of its matrices are adapted.
    """
    from peft import LoraConfig, get_peft_model

    rank = rank or _RANK
    with _quiet():
        wrapped = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, **options))
    # What loads the adapter must find its base by its public name, not by a path of this machine.
    config = wrapped.peft_config["default"]
    config.base_model_name_or_path, config.revision = files.name, files.revision
    return wrapped


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter and what else was trained; the model itself is not copied."""
    # Without the flag, peft asks the hub whether the vocabulary has grown.
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
        # peft imports whatever modules these name, and unpickles weights where they are not safetensors.
        if any(config.get(name) for name in _NAMING_MODULES):
            raise ValueError(f"its {ADAPTER_CONFIG} names code to import, which is not run")
        # Other kinds may bring models of their own, found and opened by peft without asking us.
        if config.get("peft_type") != "LORA":
            raise ValueError(f"its {ADAPTER_CONFIG} is not of the kind LORA, the only one that is read")
        if not (folder / _WEIGHTS).is_file():
            raise ValueError(f"it has no {_WEIGHTS}")
        with _quiet():
            return PeftModel.from_pretrained(model, str(folder), local_files_only=True).eval()
    except Exception as error:  # noqa: BLE001 - what a damaged adapter makes peft raise is no promise
        raise ArtifactError(
            f"the adapter in {folder} is missing or damaged ({reason_of(error)}): train again"
        ) from None


@dataclass(frozen=True)
class Adapter:
    """What was trained beside a model's own matrices.

    Attributes:
        tensors: By the names of the model that it belongs to.
        scale: Of the product of two low-rank matrices.
    """

    tensors: "dict[str, torch.Tensor]"
    scale: float

    def merged_into(self, base: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor] | None":
        """A model's tensors, by their names in its files, with the adapter added; `None` where the two do not fit."""
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
    """The adapter of a model from `add_adapter` or `load_adapter`; `None` as for `read_adapter`."""
    from peft import get_peft_model_state_dict

    return _plain(model.peft_config["default"].to_dict(), get_peft_model_state_dict(model, save_embedding_layers=False))


def read_adapter(folder: Path) -> Adapter | None:
    """The adapter saved in `folder`.

    Returns:
        It; `None` where it is none that is plain: peft may know it, or says what is wrong.
    """
    from safetensors.torch import load_file

    try:
        return _plain(parse_json((folder / ADAPTER_CONFIG).read_bytes()), load_file(folder / _WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, SafetensorError):
        return None


def _plain(config: dict[str, Any], tensors: "dict[str, torch.Tensor]") -> Adapter | None:
    if config["peft_type"] != "LORA" or config["bias"] != "none" or any(config.get(name) for name in _NOT_PLAIN):
        return None
    named = {name.removeprefix(_SHELL): tensor.detach().cpu().float() for name, tensor in tensors.items()}
    return Adapter(named, config["lora_alpha"] / config["r"])


@contextmanager
def _quiet() -> Iterator[None]:
    """What peft has to settle with transformers, or says of matrices whose shape it mends, is nothing for the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
