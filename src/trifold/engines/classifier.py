"""A fine-tuned model in use: from padded texts to logits, by whatever computes them fastest on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from trifold.engines.catalogue import choose_module_engine, classifier_of
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.protocol import EncoderModule
from trifold.models.tokens import named_inputs
from trifold.runtime import Runtime


@dataclass(frozen=True)
class Logits:
    """Computes logits.

    Attributes:
        module: Holds the layers that are computed.
        run: From ids, their mask and, of pairs, token types, `(batch, tokens)` int64 each, to logits,
            `(batch, classes)` float32.
    """

    module: Any
    run: Callable[..., np.ndarray]

    def __call__(self, *given: np.ndarray) -> np.ndarray:
        """See `run`."""
        return self.run(*given)


def classifier_engine(
    weights: ClassifierWeights | None, classes: int, runtime: Runtime, load: Callable[[], Any]
) -> Logits:
    """What computes a classifier's logits.

    Args:
        weights: The classifier's, where they are known without transformers.
        classes: How many there are. Weights of another number are left to `load`, which says what is wrong.
        runtime: Where and in which precision it computes.
        load: Gives transformers' model in evaluation mode, on the runtime's device: takes `input_ids`,
            `attention_mask` and, of pairs, `token_type_ids`, returns something with `logits`. Called at once, and only
            where no engine of ours computes the classifier.
    """
    own = None if weights is None else classifier_of(weights, classes)
    if own is None:
        return _by_transformers(load(), runtime)
    own.to(runtime.device)
    engine = choose_module_engine(EncoderModule(own.encoder, runtime))
    own.encoder = engine.module
    return Logits(engine.module, partial(engine.run, own))


def _by_transformers(model: Any, runtime: Runtime) -> Logits:
    @torch.inference_mode()
    def logits(*given: np.ndarray) -> np.ndarray:
        inputs = named_inputs(torch.from_numpy(array).to(runtime.device) for array in given)
        with runtime.autocast():
            found: np.ndarray = model(**inputs).logits.float().cpu().numpy()
        return found

    return Logits(model, logits)
