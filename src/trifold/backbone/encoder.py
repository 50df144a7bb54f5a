"""Run a frozen encoder once per text and pool every layer on the way."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trifold.backbone.batches import by_token_budget
from trifold.backbone.locate import BackboneFiles
from trifold.backbone.tokens import Tokenizer, Tokens
from trifold.errors import BackboneError
from trifold.progress import Advance
from trifold.runtime import Runtime

POOLINGS = ("first", "mean", "max")
# A hidden state (0 = embeddings) and how its tokens are pooled.
Place = tuple[int, str]


@dataclass(frozen=True)
class Pooled:
    """Pooled vectors of many texts.

    Attributes:
        vectors: `(texts, layers, poolings, width)` float32.
        layers: The hidden states that were pooled, 0 being the embeddings.
    """

    vectors: np.ndarray
    layers: tuple[int, ...]

    def join(self, places: Sequence[Place]) -> np.ndarray:
        """The vectors at `places` side by side, `(texts, len(places) * width)` float32."""
        found = [self.vectors[:, self.layers.index(layer), POOLINGS.index(how)] for layer, how in places]
        return np.concatenate(found, axis=1)

    def rows(self, part: slice) -> "Pooled":
        """The same for some of the texts."""
        return Pooled(self.vectors[part], self.layers)


class Encoder:
    """A backbone without a head, in evaluation mode.

    Args:
        files: The backbone.
        runtime: Where and in which precision it computes.
        layers: Keep the lowest so many layers and skip the rest; all where `None`.

    Raises:
        BackboneError: If the files hold no encoder that can be loaded.
    """

    def __init__(self, files: BackboneFiles, runtime: Runtime, layers: int | None = None) -> None:
        self.runtime = runtime
        self.model = load_model("AutoModel", files).eval().to(runtime.device)
        self.layers: int = self.model.config.num_hidden_layers
        self.width: int = self.model.config.hidden_size
        if layers is not None:
            self.keep(layers)

    def keep(self, layers: int) -> None:
        """Drop everything above the lowest `layers` layers; architectures that name them otherwise stay whole."""
        stack = getattr(getattr(self.model, "encoder", None), "layer", None)
        if layers < self.layers and isinstance(stack, torch.nn.ModuleList):
            del stack[max(1, layers) :]
            self.model.config.num_hidden_layers = self.layers = max(1, layers)

    @torch.inference_mode()
    def pool(
        self,
        tokens: Tokens,
        pad_id: int,
        token_budget: int,
        layers: Sequence[int] | None = None,
        advance: Advance | None = None,
    ) -> Pooled:
        """Pool the hidden states of `layers` (0 = embeddings, all where `None`) for every text.

        Mean and maximum run over the text's own tokens, special ones included, never over padding.

        Args:
            tokens: The texts.
            pad_id: Fills up shorter texts of a batch.
            token_budget: Tokens of one forward pass.
            layers: Hidden states to pool.
            advance: Told after each batch how many tokens it had.
        """
        layers = tuple(range(self.layers + 1)) if layers is None else tuple(layers)
        vectors = np.empty((len(tokens), len(layers), len(POOLINGS), self.width), dtype=np.float32)
        for batch in by_token_budget(tokens.lengths, token_budget):
            ids, mask = (tensor.to(self.runtime.device) for tensor in tokens.batch(batch, pad_id))
            with self.runtime.autocast():
                states = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
            pooled = [[pool_tokens(states[layer].float(), mask, how) for how in POOLINGS] for layer in layers]
            vectors[batch] = torch.stack([torch.stack(row, 1) for row in pooled], 1).cpu().numpy()
            if advance:
                advance(int(mask.sum()))
        return Pooled(vectors, layers)


def embed(encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str], budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean-pooled vectors of length 1.

    Args:
        encoder: Its top layer is pooled.
        tokenizer: The backbone's.
        texts: Any number.
        budget: Tokens of one forward pass.

    Returns:
        `(texts, width)` float32, and `(texts,)` bool, whether a text was truncated.
    """
    tokens = tokenizer.encode(texts)
    top = encoder.layers
    vectors = encoder.pool(tokens, tokenizer.pad_id, budget, [top]).join([(top, "mean")])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), tokens.truncated


def pool_tokens(states: torch.Tensor, mask: torch.Tensor, how: str) -> torch.Tensor:
    """`(batch, tokens, width)` and its mask to `(batch, width)`."""
    if how == "first":
        return states[:, 0]
    weights = mask.unsqueeze(-1)
    if how == "mean":
        return (states * weights).sum(1) / weights.sum(1)
    return states.masked_fill(weights == 0, -torch.inf).amax(1)


def load_model(auto_class: str, files: BackboneFiles, **options: Any) -> Any:
    """Load `files` through one of transformers' auto classes, in float32 with its fused attention unless told else.

    What transformers says on the way (a report on new and unused weights, a progress bar) is held back:
    a new head is what was asked for, and alarming words on a correct run help nobody.

    Raises:
        BackboneError: If the files do not fit the class.
    """
    import transformers

    logging = transformers.logging
    options = {"dtype": torch.float32, "attn_implementation": "sdpa", **options}
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(transformers, auto_class).from_pretrained(files.folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackboneError(f"{files.name} cannot be loaded as {auto_class} ({reason}): give another --model") from None
    finally:
        logging.set_verbosity(verbosity)
