"""What has its turn between the layers of a forward pass changes neither of the two."""

from pathlib import Path

import numpy as np
import torch

from trifold.engines.encoder import Encoder
from trifold.engines.interludes import between_layers, watch_layers
from trifold.engines.module_engine import ModuleEngine
from trifold.models.backbone_files import BackboneFiles
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

TEXTS = ["the film is superb", "the plot is dull , the cast charming", "a score"]


def test_both_passes_give_what_they_give_alone(tiny_model: Path) -> None:
    files = BackboneFiles(tiny_model, "tiny", None)
    tokenizer = Tokenizer(files, 32)
    tokens = tokenizer.encode(TEXTS)
    exact, rounded = (Encoder(files, Runtime("cpu", precision)) for precision in ("float32", "bfloat16"))
    alone = [encoder.pool(tokens, 0).vectors for encoder in (exact, rounded)]
    assert isinstance(rounded.engine, ModuleEngine)
    assert isinstance(exact.engine, ModuleEngine)
    assert watch_layers(rounded.engine.module) == watch_layers(exact.engine.module) == 2
    # Again, which must not let in twice.
    assert watch_layers(rounded.engine.module) == 2
    found: list[np.ndarray] = []
    with between_layers(lambda: found.append(exact.pool(tokens, 0).vectors)):
        outer = rounded.pool(tokens, 0).vectors
    assert len(found) == 2
    np.testing.assert_array_equal(outer, alone[1])
    for inner in found:
        np.testing.assert_array_equal(inner, alone[0])
    rounded.pool(tokens, 0)
    assert len(found) == 2


def test_a_model_without_known_layers_lets_nothing_in() -> None:
    assert watch_layers(torch.nn.Linear(2, 2)) == 0
