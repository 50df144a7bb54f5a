"""Which engines there are, and which of them computes a given model.

Each of the three lists is tried in order. To remove an engine or an architecture, delete its file and its entries here.
"""

from collections.abc import Sequence

import torch

from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.fast_bert import FastBert
from trifold.engines.fast_bert_classifier import FastBertClassifier
from trifold.engines.int8 import Int8Engine
from trifold.engines.module_engine import AutocastEngine, ModuleEngine
from trifold.engines.onnx_engine import OnnxEngine, OnnxInt8Engine
from trifold.engines.prepacked import PrepackedEngine
from trifold.engines.protocol import EncoderModule, Engine, SavedEncoder, Weights
from trifold.errors import SettingsError, require
from trifold.events import say, say_detail
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.runtime import Runtime

# Engines for any encoder that is a module, and all engines.
MODULE_ENGINES = (PrepackedEngine, AutocastEngine)
ENGINES: tuple[type[Engine], ...] = (Int8Engine, *MODULE_ENGINES, OnnxEngine, OnnxInt8Engine)
# Architectures that are computed without transformers, which takes seconds to import: encoders, and classifiers.
ENCODERS = (FastBert,)
CLASSIFIERS = (FastBertClassifier,)
# The setting that leaves open which engine computes in 8-bit integers; every other one is the name of an engine.
_ANY_INT8 = "int8"


def engines_for(setting: str, runtime: Runtime, *, frozen: bool) -> tuple[type[Engine], ...]:
    """The engines that serve a setting on this machine, in the order in which they are tried.

    Args:
        setting: A value of `--engine`, or the `"engine"` of a saved run.
        runtime: Where they are to compute.
        frozen: Whether the encoder's weights stay as they are.

    Raises:
        SettingsError: If there is none.
    """
    serving = [kind for kind in ENGINES if setting in kind.settings and (frozen or kind.follows_training)]
    reasons = [kind.missing(runtime) for kind in serving]
    way_out = next((reason for reason in reversed(reasons) if reason), "give torch, onnx or int8")
    require("" in reasons, f"--engine {setting}", way_out)
    return tuple(kind for kind, reason in zip(serving, reasons, strict=True) if not reason)


def choose_engine(setting: str, kinds: Sequence[type[Engine]], source: SavedEncoder) -> Engine:
    """The first of some engines that gives the encoder's own results.

    Where a run was made with an engine that this machine does not have, that is said.

    Args:
        setting: As for `engines_for`.
        kinds: From `engines_for`.
        source: The encoder.

    Raises:
        SettingsError: If there is none, or a package is missing that the engine needs.
    """
    found = next((engine for kind in kinds if (engine := kind.of(source)) is not None), None)
    if found is None:
        raise SettingsError(f"--engine {setting} cannot compute {source.files.name}: give --engine torch")
    say_detail(f"engine: {found.name} in {found.precision} for {source.files.name}")
    if setting not in (found.name, _ANY_INT8):
        say(f"note: this model was made with {setting}, which is not had here: it goes on in {found.precision}")
    return found


def choose_module_engine(source: EncoderModule) -> ModuleEngine:
    """The fastest engine for an encoder that is a part of a larger module, such as a classifier."""
    engines = (engine for kind in MODULE_ENGINES if (engine := kind.of(source)) is not None)
    return next(engines)


def read_weights(files: BackboneFiles) -> Weights | None:
    """A model's configuration and weights.

    Returns:
        Configuration and weights; `None` where nothing in `ENCODERS` computes this architecture, or the files cannot
        be read: transformers may know the model, or says what is wrong.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        shards, config = files.shards(), read_config(files)
        # Before the weights are read, which may be gigabytes.
        if not any(kind.knows(config) for kind in ENCODERS) or any(one.suffix != ".safetensors" for one in shards):
            return None
        return Weights(config, {name: tensor for shard in shards for name, tensor in load_file(shard).items()})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError):
        return None


def encoder_of(weights: Weights) -> torch.nn.Module | None:
    """The encoder with these weights, without transformers; `None` where nothing in `ENCODERS` computes it."""
    return next((encoder for kind in ENCODERS if (encoder := kind.of(weights)) is not None), None)


def read_encoder(files: BackboneFiles) -> torch.nn.Module | None:
    """The encoder in these files, without transformers; `None` as for `read_weights` and `encoder_of`."""
    weights = read_weights(files)
    return None if weights is None else encoder_of(weights)


def classifier_of(weights: ClassifierWeights, classes: int) -> FastBertClassifier | None:
    """The classifier with these weights, without transformers.

    Args:
        weights: Weights of encoder and head.
        classes: How many it is to have.

    Returns:
        The classifier; `None` where nothing in `CLASSIFIERS` computes it, or it has another number of classes.
    """
    made = (classifier for kind in CLASSIFIERS if (classifier := kind.of(weights)) is not None)
    return next((classifier for classifier in made if classifier.classes == classes), None)
