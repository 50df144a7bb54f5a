"""Hidden states below a model's first trained layer (the frozen prefix), computed once per text and kept on disk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from trifold.cache_folder import has_room
from trifold.errors import BackboneError
from trifold.events import Advance
from trifold.features.frozen_pass import TEXTS_PER_SEGMENT, FrozenPass, TextArrays, backbone_address, through_cache
from trifold.features.half_precision import HALF_LIMIT
from trifold.models.backbone_files import BackboneFiles
from trifold.models.batching import by_token_budget, default_padding
from trifold.models.layers import encoder_layers
from trifold.models.settings import BackboneSettings
from trifold.models.tokens import Tokens, named_inputs
from trifold.runtime import Runtime

# Share of a GPU's free memory that states may take, so that they need not be sent to it in every step.
GPU_SHARE = 0.3
# How far the logits of a replayed model may be from the whole model's: only the order of operations differs.
_REPLAY_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}


def frozen_depth(model: Any) -> int:
    """How many of the lowest layers training leaves unchanged; 0 also if the embeddings are trained.

    The last layer always counts as trained, so that at least one layer is left to be replayed.
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
    """Computes the hidden states below a model's first trained layer, and replays the upper layers on them.

    Args:
        model: Takes what `named_inputs` gives; its embeddings and its lowest `depth` layers are frozen.
        depth: As returned by `frozen_depth`.
        runtime: Device and precision.
    """

    def __init__(self, model: Any, depth: int, runtime: Runtime) -> None:
        self.depth = depth
        self._model = model
        self._runtime = runtime
        self._layers = encoder_layers(model)
        self._stand_in = _EmbeddingsStandIn()

    def fits(self, tokens: Tokens, pad_id: int) -> bool:
        """Whether replaying gives the whole model's logits, tried on the four shortest texts.

        It does not in architectures that use more than the hidden states of the layer below.
        """
        shortest = np.argsort(tokens.lengths)[:4]
        given = [tensor.to(self._runtime.device) for tensor in tokens.batch(shortest, pad_id)]
        modes = {part: part.training for part in self._model.modules()}
        self._model.eval()
        try:
            with torch.inference_mode(), self._runtime.autocast():
                whole = self._model(**named_inputs(given)).logits.float()
                states = self._states(*given)
                with self.replayed() as set_states:
                    set_states(states)
                    again = self._model(**named_inputs(given)).logits.float()
        except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError):
            return False
        finally:
            for part, mode in modes.items():
                part.training = mode
        return bool(torch.allclose(whole, again, atol=_REPLAY_TOLERANCE[self._runtime.precision]))

    def has_room(self, parts: Sequence[Tokens], settings: BackboneSettings) -> bool:
        """Whether the states of all these texts together fit on disk; if not, the user is told."""
        tokens = sum(int(part.lengths.sum()) for part in parts)
        return has_room(2 * self._model.config.hidden_size * tokens, settings.cache_bytes)

    def computed(
        self, tokens: Tokens, pad_id: int, files: BackboneFiles, settings: BackboneSettings
    ) -> AbstractContextManager[TextArrays]:
        """The states of every text, `(tokens, width)` float16 each; new ones are written while the caller uses them.

        Args:
            tokens: The texts.
            pad_id: The token id that shorter texts of a batch are padded with.
            files: The backbone; its weights are part of the address.
            settings: Whether the cache is used, and what it may take.
        """
        width: int = self._model.config.hidden_size
        pad_to = default_padding(self._runtime)
        self._model.eval()

        @torch.inference_mode()
        def forward(*given: torch.Tensor) -> np.ndarray:
            with self._runtime.autocast():
                states = self._states(*(tensor.to(self._runtime.device) for tensor in given)).float()
            # Converted on the device, so that half as many bytes are copied from a GPU.
            kept: np.ndarray = states.clamp(-HALF_LIMIT, HALF_LIMIT).half().cpu().numpy()
            return kept

        def compute(positions: np.ndarray, budget: int, advance: Advance) -> list[np.ndarray]:
            found: list[np.ndarray] = [np.empty(0)] * len(positions)
            part = tokens.take(positions)
            for batch in by_token_budget(part.lengths, budget):
                states = forward(*part.batch(batch, pad_id, pad_to))
                # The rows of a text are its windows.
                ends = np.cumsum(np.ones_like(batch) if part.windows is None else part.windows[batch])
                for position, rows in zip(batch, np.split(states, ends[:-1]), strict=True):
                    found[position] = np.concatenate(rows[:, : part.lengths[position] // len(rows)])
                advance(int(part.lengths[batch].sum()))
            return found

        def attempt(ids: np.ndarray, mask: np.ndarray) -> None:
            forward(torch.from_numpy(ids), torch.from_numpy(mask))

        kind = {
            **backbone_address("states of every token", files, self._runtime.precision, self._runtime),
            "layer": self.depth,
        }
        sizes = 2 * width * tokens.lengths
        return through_cache(FrozenPass(compute, attempt, self._runtime, pad_to, kind, width, sizes), tokens, settings)

    @contextmanager
    def replayed(self) -> Iterator[Callable[[torch.Tensor], None]]:
        """Inside the block, the model consists of its upper layers and starts from the states passed to it.

        Yields:
            A function that sets the states, `(batch, tokens, width)`, that the next forward pass starts from.
        """
        body = _body(self._model, self._layers)
        owner, name = _owner(body, self._layers)
        embeddings = body.embeddings
        setattr(owner, name, self._layers[self.depth :])
        body.embeddings = self._stand_in
        try:
            yield self._stand_in.set_states
        finally:
            body.embeddings = embeddings
            setattr(owner, name, self._layers)

    def _states(self, *given: torch.Tensor) -> torch.Tensor:
        """The input of the first trained layer, `(batch, tokens, width)`."""

        def stop(_layer: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            raise _Reached(arguments[0] if arguments else named["hidden_states"])

        handle = self._layers[self.depth].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self._model(**named_inputs(given))
        except _Reached as reached:
            return reached.states
        finally:
            handle.remove()
        raise AttributeError("the layer was never reached")


class _Reached(Exception):  # noqa: N818 - no error: it ends the forward pass early and carries the states
    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


class _EmbeddingsStandIn(torch.nn.Module):
    """Takes the place of the embeddings and returns the states that were set, whatever it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self._states: torch.Tensor | None = None

    def set_states(self, states: torch.Tensor) -> None:
        self._states = states

    def forward(self, *_: Any, **__: Any) -> torch.Tensor:
        assert self._states is not None
        return self._states


class PrefixStates:
    """Hidden states of many texts, handed out in padded batches.

    If they fit in a GPU's memory they are copied there once. A batch then consists of row numbers instead of states, so
    that a few kilobytes are sent per step instead of megabytes.

    Args:
        arrays: `(tokens, width)` float16 for each text.
        runtime: The device that needs them.
        windows: `(texts,)`, how many windows of one length each text has; `None` where each has one.
    """

    def __init__(self, arrays: list[np.ndarray], runtime: Runtime, windows: np.ndarray | None = None) -> None:
        self._arrays, self._device = arrays, runtime.device
        self._windows = np.ones(len(arrays), dtype=np.int64) if windows is None else windows
        self._sizes = np.array([len(array) for array in arrays])
        self._ends = np.cumsum(self._sizes)
        self._all: torch.Tensor | None = None
        rows, width = int(self._ends[-1]), arrays[0].shape[1]
        if runtime.device == "cuda" and 2 * rows * width < GPU_SHARE * torch.cuda.mem_get_info()[0]:
            # The last row is zeros; padding points to it.
            self._all = torch.zeros(rows + 1, width, dtype=torch.float16, device=runtime.device)
            for first in range(0, len(arrays), TEXTS_PER_SEGMENT):
                some = np.concatenate(arrays[first : first + TEXTS_PER_SEGMENT])
                end = self._ends[min(first + TEXTS_PER_SEGMENT, len(arrays)) - 1]
                self._all[end - len(some) : end] = torch.from_numpy(some)

    def batch(self, positions: np.ndarray, longest: int) -> torch.Tensor:
        """A batch of the texts at `positions`, to be moved to the device and passed to `padded`.

        Args:
            positions: `(batch,)`.
            longest: Tokens that every window is padded to.

        Returns:
            The padded states, `(windows, longest, width)`; or if the states are on the GPU their row numbers there,
            `(windows, longest)` int64.
        """
        windows = self._windows[positions]
        texts = np.repeat(positions, windows)
        sizes = self._sizes[texts] // self._windows[texts]
        # Where a window begins among the rows of its text.
        begins = sizes * (np.arange(len(texts)) - np.repeat(np.cumsum(windows) - windows, windows))
        if self._all is not None:
            ends = (self._ends[texts] - self._sizes[texts] + begins + sizes)[:, None]
            rows = np.arange(longest) + ends - sizes[:, None]
            rows[rows >= ends] = len(self._all) - 1
            return torch.from_numpy(rows)
        dtype = np.float32 if self._device == "cpu" else np.float16
        padded = np.zeros((len(texts), longest, self._arrays[positions[0]].shape[1]), dtype=dtype)
        for row, (text, begin, size) in enumerate(zip(texts, begins, sizes, strict=True)):
            padded[row, :size] = self._arrays[text][begin : begin + size]
        return torch.from_numpy(padded)

    def padded(self, batch: torch.Tensor) -> torch.Tensor:
        """The states of a batch from `batch`, padded with zeros, `(windows, longest, width)` float32."""
        return (batch if self._all is None else self._all[batch]).float()


def _body(model: Any, layers: torch.nn.ModuleList) -> Any:
    """The part of a model that holds both its embeddings and its layers.

    Raises:
        BackboneError: If there is none, or it projects the embeddings before the first layer.
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
