"""How long each method will take, before any of them has started: from a second of measuring, not from a table."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from trifold.backbone.locate import BackboneFiles, locate, read_config
from trifold.backbone.tokens import Tokenizer
from trifold.methods.catalogue import method_class
from trifold.methods.contract import MethodSettings, Workload
from trifold.runtime import choose
from trifold.types import Split

_SAMPLE_TEXTS = 300
_MATRIX = 1_024
_MEASURE_SECONDS = 0.4


@dataclass(frozen=True)
class Forecast:
    """What is to come.

    Attributes:
        seconds: Method to seconds, the quickest first.
        truncated_share: Share of texts longer than the maximum length, on a sample.
        tokens_per_text: Mean after truncation, on a sample.
    """

    seconds: dict[str, float]
    truncated_share: float
    tokens_per_text: float


def forecast(split: Split, methods: list[str], settings: MethodSettings) -> Forecast:
    """Forecast every method's time on this machine, within seconds.

    Raises:
        BackboneError: If the backbone cannot be found.
    """
    files = locate(settings.backbone.model, offline=settings.backbone.offline)
    sample = split.train.texts[:_SAMPLE_TEXTS]
    tokens = Tokenizer(files, settings.backbone.max_length).encode(sample)
    tokens_per_text = float(tokens.lengths.mean())
    work = Workload(
        train_texts=len(split.train),
        validation_texts=len(split.validation),
        test_texts=len(split.test),
        characters_per_text=float(np.mean([len(text) for text in sample])),
        tokens_per_text=tokens_per_text,
        flops_per_token=flops_per_token(files, tokens_per_text),
        parameters=files.size_bytes() // 4,
        flops_per_second=matrix_rate(settings),
    )
    seconds = {name: method_class(name)(settings).forecast(work) for name in methods}
    ordered = dict(sorted(seconds.items(), key=lambda pair: pair[1]))
    return Forecast(ordered, float(tokens.truncated.mean()), tokens_per_text)


def flops_per_token(files: BackboneFiles, tokens_per_text: float) -> float:
    """Operations of an encoder's forward pass for one token: two for each multiply-add.

    Per layer: four square projections, two of the feed-forward, and the token's attention to all others.
    """
    config: dict[str, Any] = read_config(files)
    width = config.get("hidden_size") or config.get("dim") or 768
    layers = config.get("num_hidden_layers") or config.get("n_layers") or 12
    inner = config.get("intermediate_size") or config.get("hidden_dim") or 4 * width
    return float(layers * (8 * width * width + 4 * width * inner + 4 * tokens_per_text * width))


def matrix_rate(settings: MethodSettings) -> float:
    """Operations a second of a plain matrix product on the device and in the precision that will be used."""
    import torch

    runtime = choose(settings.backbone.device, settings.backbone.precision)
    dtype = getattr(torch, runtime.precision)
    a = torch.randn(_MATRIX, _MATRIX, device=runtime.device, dtype=dtype)
    product = a @ a
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < _MEASURE_SECONDS:
        product = a @ a
        # Reading a value back waits for devices that compute asynchronously.
        product[0, 0].item()
        count += 1
    return 2.0 * _MATRIX**3 * count / (time.perf_counter() - started)
