"""The states of texts below the first trained layer, computed once per text and kept on disk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from trifold.cache_folder import has_room
from trifold.errors import BackboneError
from trifold.events import Advance
from trifold.features.frozen_pass import TEXTS_PER_SEGMENT, Computed, FrozenPass, address_of, through_cache
from trifold.features.number_format import HALF_LIMIT
from trifold.models.batching import by_token_budget, default_padding
from trifold.models.layers import encoder_layers
from trifold.models.locate import BackboneFiles
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokens
from trifold.runtime import Runtime

# Of a GPU's free memory, for what it would else be sent in every step.
_GPU_SHARE = 0.3
# Logits of a replayed model against those of the whole one: only the order of operations may differ.
_REPLAY_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}


def frozen_depth(model: Any) -> int:
    """How many of the lowest layers, embeddings included, training leaves as they are; 0 where none is.

    The last layer always counts as trained: a head needs something to be replayed under it.
    """
    try:
        layers = encoder_layers(model)
        embeddings = _body(model, layers).embeddings
    except BackboneError:
        return 0
    if any(weight.requires_grad for weight in embeddings.parameters()):
        return 0
    untouched = 0
    for layer in layers[:-1]:
        hooked = any(part._forward_hooks for part in layer.modules())
        if hooked or any(weight.requires_grad for weight in layer.parameters()):
            break
        untouched += 1
    return untouched


class PrefixCache:
    """The states of texts below a model's first trained layer, computed once.

    Args:
        model: Takes `input_ids` and `attention_mask`; its lowest `depth` layers and its embeddings are frozen.
        depth: As `frozen_depth` gives.
        runtime: Where and in which precision.
    """

    def __init__(self, model: Any, depth: int, runtime: Runtime) -> None:
        self.depth = depth
        self._model = model
        self._runtime = runtime
        self._layers = encoder_layers(model)
        self._given = _Given()

    def fits(self, tokens: Tokens, pad_id: int) -> bool:
        """Whether replaying gives what the whole model gives, tried on a few texts; some architectures differ."""
        shortest = np.argsort(tokens.lengths)[:4]
        ids, mask = (tensor.to(self._runtime.device) for tensor in tokens.batch(shortest, pad_id))
        modes = {part: part.training for part in self._model.modules()}
        self._model.eval()
        try:
            with torch.inference_mode(), self._runtime.autocast():
                whole = self._model(input_ids=ids, attention_mask=mask).logits.float()
                states = self._states(ids, mask)
                with self.replayed() as give:
                    give(states)
                    again = self._model(input_ids=ids, attention_mask=mask).logits.float()
        except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError):
            return False
        finally:
            for part, mode in modes.items():
                part.training = mode
        return bool(torch.allclose(whole, again, atol=_REPLAY_TOLERANCE[self._runtime.precision]))

    def has_room(self, parts: Sequence[Tokens], settings: BackboneSettings) -> bool:
        """Whether the states of these texts, all of them together, fit on disk; it is said where they do not."""
        tokens = sum(int(part.lengths.sum()) for part in parts)
        return has_room(2 * self._model.config.hidden_size * tokens, settings.cache_bytes)

    def computed(
        self, tokens: Tokens, pad_id: int, files: BackboneFiles, settings: BackboneSettings
    ) -> AbstractContextManager[Computed]:
        """The states of every text, `(tokens, width)` each; what is new of them is being kept while they are used.

        Args:
            tokens: The texts.
            pad_id: Fills up shorter texts of a batch.
            files: The backbone, whose weights are part of the address.
            settings: Whether and how much is kept.
        """
        width: int = self._model.config.hidden_size
        pad_to = default_padding(self._runtime)
        self._model.eval()

        @torch.inference_mode()
        def forward(ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
            device = self._runtime.device
            with self._runtime.autocast():
                states = self._states(ids.to(device), mask.to(device)).float()
            # Rounded where it was computed: half as much to fetch from a GPU.
            kept: np.ndarray = states.clamp(-HALF_LIMIT, HALF_LIMIT).half().cpu().numpy()
            return kept

        def compute(positions: np.ndarray, budget: int, advance: Advance) -> list[np.ndarray]:
            found: list[np.ndarray] = [np.empty(0)] * len(positions)
            lengths = tokens.lengths[positions]
            for batch in by_token_budget(lengths, budget):
                states = forward(*tokens.batch(positions[batch], pad_id, pad_to))
                for row, place in enumerate(batch):
                    found[place] = states[row, : lengths[place]].copy()
                advance(int(lengths[batch].sum()))
            return found

        def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
            forward(torch.from_numpy(ids), torch.from_numpy(mask))

        kind = {
            **address_of("states of every token", files, self._runtime.precision, self._runtime),
            "layer": self.depth,
        }
        sizes = 2 * width * tokens.lengths
        return through_cache(FrozenPass(compute, attempt, self._runtime, pad_to, kind, width, sizes), tokens, settings)

    @contextmanager
    def replayed(self) -> Iterator[Callable[[torch.Tensor], None]]:
        """Inside, the model has only its upper layers, and starts from the states that are given to it."""
        body = _body(self._model, self._layers)
        owner, name = _owner(body, self._layers)
        embeddings = body.embeddings
        setattr(owner, name, self._layers[self.depth :])
        body.embeddings = self._given
        try:
            yield self._given.give
        finally:
            body.embeddings = embeddings
            setattr(owner, name, self._layers)

    def _states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What goes into the first trained layer, `(batch, tokens, width)`."""

        def stop(_layer: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            raise _Reached(arguments[0] if arguments else named["hidden_states"])

        handle = self._layers[self.depth].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self._model(input_ids=ids, attention_mask=mask)
        except _Reached as reached:
            return reached.states
        finally:
            handle.remove()
        raise AttributeError("the layer was never reached")


class _Reached(Exception):  # noqa: N818 - no error: it carries the states out of a forward pass that need not go on
    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


class _Given(torch.nn.Module):
    """Stands where the embeddings were and returns what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self._states: torch.Tensor | None = None

    def give(self, states: torch.Tensor) -> None:
        self._states = states

    def forward(self, *_: Any, **__: Any) -> torch.Tensor:
        assert self._states is not None
        return self._states


class PrefixStates:
    """What many texts are below the first trained layer, handed out in batches.

    On a GPU they lie in its memory where they fit: a batch is then where its states are, instead of megabytes a step.

    Args:
        arrays: For each text `(tokens, width)` float16.
        runtime: Where they are wanted.
    """

    def __init__(self, arrays: list[np.ndarray], runtime: Runtime) -> None:
        self._arrays, self._device = arrays, runtime.device
        self._ends = np.cumsum([len(array) for array in arrays])
        self._all: torch.Tensor | None = None
        rows, width = int(self._ends[-1]), arrays[0].shape[1]
        if runtime.device == "cuda" and 2 * rows * width < _GPU_SHARE * torch.cuda.mem_get_info()[0]:
            # The last row is of zeros, and stands for padding.
            self._all = torch.zeros(rows + 1, width, dtype=torch.float16, device=runtime.device)
            for first in range(0, len(arrays), TEXTS_PER_SEGMENT):
                some = np.concatenate(arrays[first : first + TEXTS_PER_SEGMENT])
                end = self._ends[min(first + TEXTS_PER_SEGMENT, len(arrays)) - 1]
                self._all[end - len(some) : end] = torch.from_numpy(some)

    def batch(self, positions: np.ndarray, longest: int) -> torch.Tensor:
        """The texts at `positions`, for `padded`: their states, `(batch, longest, width)`, or where those are."""
        chosen = [self._arrays[position] for position in positions]
        if self._all is not None:
            places = np.arange(longest) + (self._ends[positions] - [len(array) for array in chosen])[:, None]
            places[places >= self._ends[positions, None]] = len(self._all) - 1
            return torch.from_numpy(places)
        dtype = np.float32 if self._device == "cpu" else np.float16
        padded = np.zeros((len(chosen), longest, chosen[0].shape[1]), dtype=dtype)
        for row, array in enumerate(chosen):
            padded[row, : len(array)] = array
        return torch.from_numpy(padded)

    def padded(self, batch: torch.Tensor) -> torch.Tensor:
        """Such a batch, on the device by now, as states filled up with zeros, `(batch, longest, width)` float32."""
        return (batch if self._all is None else self._all[batch]).float()


def _body(model: Any, layers: torch.nn.ModuleList) -> Any:
    """The part of a model that holds both its embeddings and its layers.

    Raises:
        BackboneError: If there is none, or something stands between the two.
    """
    for module in model.modules():
        has_embeddings = isinstance(getattr(module, "embeddings", None), torch.nn.Module)
        if has_embeddings and any(part is layers for part in module.modules()):
            if hasattr(module, "embeddings_project"):
                break
            return module
    raise BackboneError("this model's embeddings cannot be told from its layers")


def _owner(body: Any, layers: torch.nn.ModuleList) -> tuple[torch.nn.Module, str]:
    return next((part, name) for part in body.modules() for name, child in part.named_children() if child is layers)
