"""Run a frozen encoder once per text and pool every layer on the way."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trifold.backbone.attention import NAME as ATTENTION
from trifold.backbone.attention import register_attention
from trifold.backbone.batches import Rounding, by_token_budget, exact, usual_rounding
from trifold.backbone.bert import Bert, bert_of, read_bert
from trifold.backbone.int8 import in_int8, multiplies_int8
from trifold.backbone.locate import BackboneFiles, file_sha256, read_config, reason_of
from trifold.backbone.onnx import TOKEN_BUDGET, OnnxGraph, kept_graph, require_onnx
from trifold.backbone.packed import packed, through_arrays
from trifold.backbone.store import half
from trifold.backbone.tokens import Tokenizer, Tokens
from trifold.errors import BackboneError, require
from trifold.progress import Advance, say
from trifold.runtime import Runtime

POOLINGS = ("first", "mean", "max")
# Engines that may, or do, take ONNX Runtime.
_BY_GRAPH = ("onnx", "int8", "onnx-int8")
_READING_CLASSES = ("AutoModel", "AutoModelForSequenceClassification")
# A hidden state (0 = embeddings) and how its tokens are pooled.
Place = tuple[int, str]


@dataclass(frozen=True)
class Pooled:
    """Pooled vectors of many texts.

    Attributes:
        vectors: `(texts, layers, poolings, width)` float32, or float16 where they are rounded as the cache keeps them.
        layers: The hidden states that were pooled, 0 being the embeddings.
    """

    vectors: np.ndarray
    layers: tuple[int, ...]

    def join(self, places: Sequence[Place]) -> np.ndarray:
        """The vectors at `places` side by side, `(texts, len(places) * width)` float32."""
        found = [self.vectors[:, self.layers.index(layer), POOLINGS.index(how)] for layer, how in places]
        return np.concatenate(found, axis=1, dtype=np.float32)

    def rounded(self) -> "Pooled":
        """The same, in half precision."""
        return Pooled(half(self.vectors), self.layers)

    def rows(self, part: slice) -> "Pooled":
        """The same for some of the texts."""
        return Pooled(self.vectors[part], self.layers)


class PooledStates(torch.nn.Module):
    """The hidden states of some layers, pooled: what is asked of a frozen backbone, whichever engine computes it.

    Args:
        model: An encoder without a head.
        layers: Hidden states to pool, 0 being the embeddings.
    """

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model, self.layers = model, layers

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens)` ids and mask, `None` where all count, to `(batch, layers, poolings, width)` float32.

        Mean and maximum run over the text's own tokens, special ones included, never over padding.
        """
        states = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        pooled = [[pool_tokens(states[layer], mask, how) for how in POOLINGS] for layer in self.layers]
        return torch.stack([torch.stack(row, 1) for row in pooled], 1)


class Encoder:
    """A backbone without a head, in evaluation mode.

    Args:
        files: The backbone.
        runtime: Where and in which precision it computes.
        layers: Keep the lowest so many layers and skip the rest; all where `None`.
        engine: What computes: PyTorch (`torch`), ONNX Runtime (`onnx`), or in 8-bit integers (`int8`) whichever of the
            two can: PyTorch for a BERT on a processor with products of them. Or what `kernels` said elsewhere.
        frozen: Whether `model` stays as it was loaded; then what reads is BERT without transformers where it can be,
            and packed for the processor.

    Raises:
        BackboneError: If the files hold no encoder that can be loaded.
        SettingsError: If ONNX Runtime is needed and not installed, or another device than the CPU is asked for.
    """

    def __init__(
        self,
        files: BackboneFiles,
        runtime: Runtime,
        layers: int | None = None,
        engine: str = "torch",
        *,
        frozen: bool = True,
    ) -> None:
        if engine in _BY_GRAPH:
            require(runtime.device == "cpu", f"--engine {engine}", f"it computes on the CPU, not on {runtime.device}")
        self.runtime = runtime
        self._engine = engine
        self._files = files
        bert = read_bert(files) if frozen and _by_torch(engine) else None
        if bert is None and engine in _BY_GRAPH:
            require_onnx()
        reader: Any = self._load() if bert is None else bert.to(runtime.device)
        self._reader = reader
        self._model = reader if bert is None else None
        self._to_lay_out = frozen
        self._kernels: str | None = None
        self._autocast: Callable[[], AbstractContextManager[Any]] = runtime.autocast
        self._graphs: dict[tuple[int, ...], OnnxGraph] = {}
        try:
            self.layers: int = reader.config.num_hidden_layers
            self.width: int = reader.config.hidden_size
        except AttributeError:
            kind = reader.config.model_type
            raise BackboneError(f"{files.name} is a {kind}, which does not read texts: give another --model") from None
        if layers is not None:
            self.keep(layers)

    @property
    def model(self) -> Any:
        """The encoder as transformers has it, in single precision: to be trained, saved or exported."""
        if self._model is None:
            self._model = self._load()
            _cut(self._model, self.layers)
        return self._model

    def _load(self) -> Any:
        return load_model("AutoModel", self._files).eval().to(self.runtime.device)

    @property
    def kernels(self) -> str:
        """Whose they are: `torch`, `torch-int8`, `onnx` or `onnx-int8`. Named as engine, they go on with it.

        Where the processor lacks what `torch-int8` takes, that is full precision, which is nearest to it.
        """
        if self._kernels is None:
            self._kernels = self._find_kernels()
        return self._kernels

    @property
    def precision(self) -> str:
        """Of the matrix products."""
        return {"torch": self.runtime.precision, "onnx": "float32"}.get(self.kernels, "int8")

    @property
    def rounding(self) -> Rounding:
        """Of the lengths of batches."""
        return exact if self.kernels in _BY_GRAPH else usual_rounding(self.runtime)

    def end_training(self) -> None:
        """Read from now on as what is saved will be once it is loaded, to the bit."""
        bert = bert_of(self.model.config.to_dict(), self.model.state_dict())
        if bert is not None:
            self._reader = bert.to(self.runtime.device)
        self._to_lay_out = True

    def keep(self, layers: int) -> None:
        """Drop everything above the lowest `layers` layers; architectures that name them otherwise stay whole."""
        for model in (self._reader, self._model):
            _cut(model, max(1, layers))
        self.layers = self._reader.config.num_hidden_layers

    def pool(
        self,
        tokens: Tokens,
        pad_id: int,
        token_budget: int | None = None,
        layers: Sequence[int] | None = None,
        advance: Advance | None = None,
    ) -> Pooled:
        """Pool the hidden states of `layers` (0 = embeddings, all where `None`) for every text.

        Args:
            tokens: The texts.
            pad_id: Fills up shorter texts of a batch.
            token_budget: Tokens of one forward pass; the device's own where `None`.
            layers: Hidden states to pool.
            advance: Told after each batch how many tokens it had.
        """
        layers = tuple(range(self.layers + 1)) if layers is None else tuple(layers)
        vectors = np.empty((len(tokens), len(layers), len(POOLINGS), self.width), dtype=np.float32)
        run = self._forward(layers)
        usual = TOKEN_BUDGET if self.kernels in _BY_GRAPH else self.runtime.token_budget
        for batch in by_token_budget(tokens.lengths, token_budget or usual):
            ids, mask = tokens.padded(batch, pad_id, self.rounding)
            vectors[batch] = run(ids, mask)
            if advance:
                advance(int(mask.sum()))
        return Pooled(vectors, layers)

    def try_batch(self, ids: np.ndarray, mask: np.ndarray) -> None:
        """Compute one batch whose result nobody wants."""
        self._forward(tuple(range(self.layers + 1)))(ids, mask)

    def _forward(self, layers: tuple[int, ...]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Padded ids and mask to pooled states."""
        if self.kernels in _BY_GRAPH:
            if layers not in self._graphs:
                module = PooledStates(self.model, layers).eval()
                about = {**self._address(), "states": list(layers), "of": self.layers}
                self._graphs[layers] = kept_graph(module, about, int8=self.kernels == "onnx-int8")
            return self._graphs[layers]
        if self._to_lay_out:
            self._take(packed(self._reader, self.runtime))
        return through_arrays(PooledStates(self._reader, layers).eval(), self.runtime, self._autocast)

    def _address(self) -> dict[str, object]:
        """The weights, and how they are read."""
        return {"weights": self._files.sha256(), "configuration": file_sha256(self._files.folder / "config.json")}

    def _find_kernels(self) -> str:
        if self._engine not in ("int8", "torch-int8"):
            return self._engine
        one = in_int8(self._reader, self._files, self.runtime) if isinstance(self._reader, Bert) else None
        if one is None and self._engine == "int8":
            return "onnx-int8"
        if one is None:
            say(f"note: 8-bit products began this model, and are not had here: it goes on in {self.runtime.precision}")
            return "torch"
        self._take(one)
        return "torch-int8"

    def _take(self, one: Any | None) -> None:
        """Read with another layout from now on, if there is one."""
        self._to_lay_out = False
        if one is not None:
            self._reader, self._autocast = one, nullcontext


def _by_torch(engine: str) -> bool:
    return engine in ("torch", "torch-int8") or (engine == "int8" and multiplies_int8())


def _cut(model: Any, layers: int) -> None:
    stack = getattr(getattr(model, "encoder", None), "layer", None)
    if isinstance(stack, torch.nn.ModuleList) and layers < len(stack):
        del stack[layers:]
        model.config.num_hidden_layers = layers


def embed(
    encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str], budget: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean-pooled vectors of length 1.

    Args:
        encoder: Its top layer is pooled.
        tokenizer: The backbone's.
        texts: Any number.
        budget: Tokens of one forward pass; the device's own where `None`.

    Returns:
        `(texts, width)` float32, and `(texts,)` bool, whether a text was truncated.
    """
    tokens = tokenizer.encode(texts)
    top = encoder.layers
    vectors = encoder.pool(tokens, tokenizer.pad_id, budget, [top]).join([(top, "mean")])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), tokens.truncated


def pool_tokens(states: torch.Tensor, mask: torch.Tensor | None, how: str) -> torch.Tensor:
    """`(batch, tokens, width)` and its mask, `None` where nothing is padding, to `(batch, width)` float32."""
    if how == "first":
        return states[:, 0].float()
    if mask is None:
        return states.mean(1, dtype=torch.float32) if how == "mean" else states.amax(1).float()
    weights = mask.unsqueeze(-1)
    if how == "mean":
        return (states * weights.to(states.dtype)).sum(1, dtype=torch.float32) / weights.sum(1)
    # A sum is half the time of filling in.
    return (states + torch.where(weights == 0, -torch.inf, 0.0).to(states.dtype)).amax(1).float()


def save_model(model: Any, folder: Path) -> None:
    """Write a model as transformers does, without its progress bar."""
    from transformers import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)


def load_model(auto_class: str, files: BackboneFiles, *, whole: bool = False, **options: Any) -> Any:
    """Load `files` through one of transformers' auto classes, in float32 with our attention unless told else.

    What transformers says on the way (a report on new and unused weights, a progress bar) is held back:
    a new head is what was asked for, and alarming words on a correct run help nobody.

    Args:
        auto_class: Its name.
        files: The model.
        whole: Whether the head must be in the files, too: a new one would say random things.
        options: transformers' own.

    Raises:
        BackboneError: If the files do not fit the class, or lack weights below its head.
    """
    import transformers

    read_config(files)
    # Where there are none that are safetensors, transformers' own message would be about another file.
    files.shards()
    register_attention()
    logging = transformers.logging
    options = {"dtype": torch.float32, "attn_implementation": ATTENTION, **options}
    trusted = {"trust_remote_code": files.trust_remote_code, "use_safetensors": True, "local_files_only": True}
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, loading = getattr(transformers, auto_class).from_pretrained(
                files.folder, output_loading_info=True, **trusted, **options
            )
    except Exception as error:  # noqa: BLE001 - what a damaged or unknown model makes transformers raise is no promise
        raise BackboneError(
            f"{files.name} cannot be loaded as {auto_class} ({reason_of(error)}): give another --model"
        ) from None
    finally:
        logging.set_verbosity(verbosity)
    _require_weights(files, model, loading["missing_keys"], whole=whole)
    if getattr(model.config, "is_encoder_decoder", False) and auto_class in _READING_CLASSES:
        raise BackboneError(
            f"{files.name} is a {model.config.model_type}, which reads with one half and writes with the other, and no "
            "method here learns from that: give --model an encoder or a decoder"
        )
    return model


def load_config(files: BackboneFiles) -> Any:
    """A model's configuration as transformers understands it.

    Raises:
        BackboneError: If it does not.
    """
    from transformers import AutoConfig

    read_config(files)
    try:
        return AutoConfig.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
        )
    except Exception as error:  # noqa: BLE001 - as above
        raise BackboneError(f"{files.name} cannot be loaded ({reason_of(error)}): give another --model") from None


def reads_onwards(config: Any) -> bool:
    """Whether a model is a decoder, of which a token sees none behind it.

    Args:
        config: Of `load_config`.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    both_ways = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not both_ways


def _require_weights(files: BackboneFiles, model: Any, missing: Iterable[str], *, whole: bool) -> None:
    """Refuse a model of which weights are missing; unless it must be whole, head and pooler may be new."""
    body = "" if model.base_model is model else f"{model.base_model_prefix}."
    if whole and any(not name.startswith(body) for name in missing):
        head = "masked" if type(model).__name__.endswith("ForMaskedLM") else "next"
        raise BackboneError(
            f"{files.name} has no head for {head} words (its files lack {min(missing)}): give a model that was "
            "pretrained and saved with it"
        )
    lacking = sorted(name for name in missing if name.startswith(body) and "pooler" not in name.split("."))
    if lacking:
        raise BackboneError(
            f"{files.name} lacks {len(lacking)} of its weights ({lacking[0]} and on): give a model that is whole"
        )
