"""A frozen encoder: from texts to the pooled hidden states of its layers."""

from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

from trifold.engines.catalogue import choose_engine, encoder_of, engines_for, read_encoder
from trifold.engines.matmul_attention import registered_attention
from trifold.engines.pooled_states import cut
from trifold.engines.protocol import SavedEncoder, Weights
from trifold.errors import BackboneError
from trifold.events import Advance
from trifold.hashing import file_sha256
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import PadTo, by_token_budget
from trifold.models.loading import load_model
from trifold.models.pooling import POOLINGS, Pooled, pool_windows
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens
from trifold.models.vector_steps import unit_length
from trifold.runtime import Runtime


class Encoder:
    """A backbone without a head, in evaluation mode.

    Args:
        files: The backbone.
        runtime: Where and in which precision it computes.
        layers: Keep the lowest so many layers and skip the rest; all where `None`.
        engine: What computes: PyTorch (`torch`), ONNX Runtime (`onnx`), or in 8-bit integers (`int8`) whichever of the
            two can: PyTorch for a BERT on a processor with an 8-bit dot product. Or the `backend` of a saved run.
        frozen: Whether `model` stays as it was loaded. If not, `pool` computes with its weights as they are by then.

    Attributes:
        engine: What computes.
        layers: Number of layers that are computed.
        width: Numbers of one hidden state.

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
        self.runtime = runtime
        self._files = files
        self._setting = engine
        self._model: Any = None
        # Threads may share an encoder; the first of them to need it loads the model of transformers.
        self._lock = RLock()
        kinds = engines_for(engine, runtime, frozen=frozen)
        own = read_encoder(files) if frozen and any(kind.takes_module for kind in kinds) else None
        module: Any = self._load() if own is None else own.to(runtime.device)
        try:
            self.layers: int = module.config.num_hidden_layers
            self.width: int = module.config.hidden_size
        except AttributeError:
            kind = module.config.model_type
            raise BackboneError(f"{files.name} is a {kind}, which does not read texts: give another --model") from None
        if layers is not None:
            self.layers = cut(module, max(1, layers))
        self.engine = choose_engine(engine, kinds, self._source(module))

    @property
    def model(self) -> Any:
        """The encoder as transformers has it, in single precision: to be trained, saved or exported."""
        with self._lock:
            if self._model is None:
                cut(self._load(), self.layers)
            return self._model

    def _load(self) -> Any:
        attention = registered_attention()
        self._model = load_model("AutoModel", self._files, attention=attention).eval().to(self.runtime.device)
        return self._model

    def _source(self, module: Any) -> SavedEncoder:
        return SavedEncoder(module, self.runtime, self._files, lambda: self.model)

    @property
    def backend(self) -> str:
        """The name of the engine that computes: `torch`, `torch-int8`, `onnx` or `onnx-int8`.

        Given as `engine` later, it is used again; where the machine lacks `torch-int8`, full precision, which is
        nearest to it.
        """
        return self.engine.name

    @property
    def precision(self) -> str:
        """Of the matmuls."""
        return self.engine.precision

    @property
    def address(self) -> tuple[object, ...]:
        """Everything that determines its states: encoders of one address differ only in how many layers they keep."""
        config = file_sha256(self._files.folder / "config.json")
        return (self._files.sha256(), config, self.backend, self.precision, self.runtime.device)

    @property
    def pad_to(self) -> PadTo:
        """What lengths batches are padded to."""
        return self.engine.pad_to

    def end_training(self) -> None:
        """Compute from now on as what is saved will compute once it is loaded, to the bit."""
        own = encoder_of(Weights(self.model.config.to_dict(), self.model.state_dict()))
        module = self.model if own is None else own.to(self.runtime.device)
        kinds = engines_for(self._setting, self.runtime, frozen=True)
        self.engine = choose_engine(self._setting, kinds, self._source(module))

    def keep(self, layers: int) -> None:
        """Drop everything above the lowest `layers` layers; architectures that name them otherwise stay whole."""
        self.layers = self.engine.keep(max(1, layers))
        if self._model is not None:
            cut(self._model, self.layers)

    def pool(
        self,
        tokens: Tokens,
        pad_id: int,
        token_budget: int | None = None,
        layers: Sequence[int] | None = None,
        advance: Advance | None = None,
    ) -> Pooled:
        """Pool the hidden states of `layers` (0 = embeddings, all where `None`) for every text, over all its windows.

        Args:
            tokens: The texts.
            pad_id: Fills up shorter texts of a batch.
            token_budget: Tokens of one forward pass; the engine's own where `None`.
            layers: Hidden states to pool.
            advance: Told after each batch how many tokens it had.
        """
        layers = tuple(range(self.layers + 1)) if layers is None else tuple(layers)
        vectors = np.empty((len(tokens), len(layers), len(POOLINGS), self.width), dtype=np.float32)
        for batch in by_token_budget(tokens.lengths, token_budget or self.engine.token_budget):
            vectors[batch] = self.pool_batch(tokens, batch, pad_id, layers)
            if advance:
                advance(int(tokens.lengths[batch].sum()))
        return Pooled(vectors, layers)

    def pool_batch(self, tokens: Tokens, positions: np.ndarray, pad_id: int, layers: tuple[int, ...]) -> np.ndarray:
        """Pool the hidden states of some layers for the texts at `positions`, in one forward pass.

        Returns:
            `(batch, layers, poolings, width)` float32.
        """
        ids, mask = tokens.padded(positions, pad_id, self.pad_to)
        return pool_windows(self.engine.pooled(ids, mask, layers), tokens.windows_of(positions))

    def try_batch(self, ids: np.ndarray, mask: np.ndarray) -> None:
        """Compute one batch whose result nobody needs, to see how long it takes."""
        self.engine.pooled(ids, mask, tuple(range(self.layers + 1)))


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
    return unit_length(vectors), tokens.truncated
