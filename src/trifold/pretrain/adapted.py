"""Low-rank adapters on a decoder, in peft's own format."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from trifold.backbone.locate import BackboneFiles
from trifold.errors import ArtifactError

ADAPTER_CONFIG = "adapter_config.json"


def new_adapter(model: Any, files: BackboneFiles, rank: int) -> Any:
    """The decoder with trainable low-rank matrices beside all of its own; the rest is frozen.

    Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with _quiet():
        wrapped = get_peft_model(model, config)
    # What loads the adapter must find the decoder by its public name, not by a path of this machine.
    chosen = wrapped.peft_config["default"]
    chosen.base_model_name_or_path, chosen.revision = files.name, files.revision
    return wrapped


def with_adapter(model: Any, folder: Path) -> Any:
    """A decoder with the adapter saved in `folder`.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    from peft import PeftModel

    try:
        with _quiet():
            return PeftModel.from_pretrained(model, str(folder)).eval()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"the adapter in {folder} is missing or damaged ({reason}): train again") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """What peft has to say on the shape of GPT-2's matrices it mends itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
