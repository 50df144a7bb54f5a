"""How long each method will take, before any of them has started: from a second of measuring, not from a table."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trifold.data.row_sample import some
from trifold.llm.settings import local_name
from trifold.methods.catalogue import method_entry
from trifold.methods.cost_forecast import Workload
from trifold.methods.settings import MethodSettings
from trifold.models.available_memory import count_weights
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.locate import find_backbone, locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime, choose, cpu_multiplies_bfloat16, has_nvidia_driver
from trifold.types import Split

SAMPLE_TEXTS = 300
_MATRIX = 1_024
_MEASURE_SECONDS = 0.4


@dataclass(frozen=True)
class Forecast:
    """What is to come.

    Attributes:
        seconds: Method to seconds, the quickest first.
        truncated_share: Share of texts too long to be read whole, on a sample; 0 where no backbone reads them.
    """

    seconds: dict[str, float]
    truncated_share: float


def forecast(split: Split, methods: list[str], settings: MethodSettings) -> Forecast:
    """Forecast every method's time on this machine, within seconds.

    Raises:
        BackboneError: If the backbone cannot be found.
    """
    sample = some(split.train.texts, SAMPLE_TEXTS)
    work = Workload(
        train_texts=len(split.train),
        validation_texts=len(split.validation),
        test_texts=len(split.test),
        characters_per_text=float(np.mean([len(text) for text in sample])),
        labels=len(split.train.label_counts()),
    )
    truncated_share = 0.0
    named, chosen = local_name(settings.llm.llm), settings.backbone
    if named is not None and any(method_entry(name).asks_llm for name in methods):
        files = locate(named, offline=chosen.offline, trust_remote_code=chosen.trust_remote_code)
        work = replace(work, llm_parameters=count_weights(files), flops_per_second=matrix_rate(settings))
    if any(method_entry(name).needs_backbone for name in methods):
        files = find_backbone(settings.backbone)
        tokens = Tokenizer.chosen(files, settings.backbone).encode(sample)
        truncated_share = float(tokens.truncated.mean())
        tokens_per_text = float(tokens.lengths.mean())
        work = replace(
            work,
            tokens_per_text=tokens_per_text,
            flops_per_token=flops_per_token(files, float(tokens.window_lengths(np.arange(len(tokens))).mean())),
            parameters=count_weights(files),
            layers=layer_count(files),
            flops_per_second=matrix_rate(settings),
        )
    seconds = {name: method_entry(name).seconds(work, settings) for name in methods}
    ordered = dict(sorted(seconds.items(), key=lambda pair: pair[1]))
    return Forecast(ordered, truncated_share)


def flops_per_token(files: BackboneFiles, tokens_per_text: float) -> float:
    """Operations of an encoder's forward pass for one token: two for each multiply-add.

    Per layer: four square projections, two of the feed-forward, and the token's attention to all others.
    """
    config: dict[str, Any] = read_config(files)
    width = config.get("hidden_size") or config.get("dim") or 768
    layers = layer_count(files)
    inner = config.get("intermediate_size") or config.get("hidden_dim") or 4 * width
    return float(layers * (8 * width * width + 4 * width * inner + 4 * tokens_per_text * width))


def layer_count(files: BackboneFiles) -> int:
    """Layers of an encoder, as its configuration calls them."""
    config: dict[str, Any] = read_config(files)
    return int(config.get("num_hidden_layers") or config.get("n_layers") or 12)


def matrix_rate(settings: MethodSettings) -> float:
    """Operations a second of a plain matrix product on the device and in the precision that will be used.

    Where no GPU can be meant, NumPy measures it: its product is as fast as PyTorch's, whose import alone takes longer
    than everything else before the first method. Native bfloat16 doubles the rate. Whether it pays on this machine
    (`bfloat16_pays`) takes PyTorch to find out, so the processor's word is taken: where it does not, the forecast of
    the first method is half of what it takes, by which `compare` corrects the others.
    """
    chosen = settings.backbone
    if chosen.device not in ("auto", "cpu") or (chosen.device == "auto" and has_nvidia_driver()):
        return product_rate(choose(chosen.device, chosen.precision))
    a = np.random.default_rng(0).standard_normal((_MATRIX, _MATRIX), dtype=np.float32)
    doubled = chosen.precision == "bfloat16" or (chosen.precision == "auto" and cpu_multiplies_bfloat16())
    return _best_rate(lambda: a @ a) * (2 if doubled else 1)


def product_rate(runtime: Runtime) -> float:
    """Operations a second of PyTorch's plain matrix product there, in that precision."""
    import torch

    a = torch.randn(_MATRIX, _MATRIX, device=runtime.device, dtype=getattr(torch, runtime.precision))
    # Reading a value back waits for devices that compute asynchronously.
    return _best_rate(lambda: (a @ a)[0, 0].item())


def _best_rate(product: Callable[[], object]) -> float:
    """The fastest of many repetitions: what slows a product down now and then is not the machine's rate."""
    best, started = math.inf, time.perf_counter()
    while time.perf_counter() - started < _MEASURE_SECONDS:
        before = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - before)
    return 2.0 * _MATRIX**3 / best
