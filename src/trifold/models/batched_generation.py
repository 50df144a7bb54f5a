"""Continue many prompts with a decoder, several at once; what is written to one does not depend on the others.

Prompts of similar length are padded on the left and go on together, a token each at a time. A text that has ended
leaves the batch. Each prompt has its own seed, its own limit and its own processors of logits, as if it stood alone.
The options of the model's own generation_config.json, its cache and its masks are prepared by transformers; the loop is
ours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from trifold.errors import BackboneError
from trifold.models.batching import by_token_budget
from trifold.models.text_generation import (
    Continuation,
    Decode,
    Decoding,
    OnPiece,
    TextStream,
    before_stop,
    continuation,
    generating,
)

# The most prompts of a batch: the weights are read once a token for all of them, and beyond so many hardly gain by it.
_MOST_ROWS = 32
# Tokens of a batch's prompts for each token of a usual forward pass: only the last place's logits are computed.
_PROMPT_TOKENS = 4
# A batch is made smaller when so large a part of its texts has ended.
_ENDED_SHARE = 0.25
# How far the logits behind a padded prompt may be from those behind the prompt alone.
_TOLERANCE, _COARSE_TOLERANCE = 1e-3, 0.3


def continue_prompts(
    model: Any,
    name: str,
    prompts: Sequence[tuple[Sequence[int], Decoding]],
    decode: Decode,
    token_budget: int,
    on_piece: OnPiece | None = None,
) -> Iterator[list[tuple[int, Continuation | BackboneError]]]:
    """Continue prompts, those of similar length together.

    Args:
        model: A decoder of transformers in evaluation mode.
        name: Name of the model, for messages.
        prompts: Token ids, at least one each, and how the continuation is written, one each.
        decode: From token ids to text without special tokens.
        token_budget: The most tokens of one forward pass, of which a batch's prompts may be a few times as many.
        on_piece: Called with each piece of the text as it is written; only where there is one prompt.

    Yields:
        Of each batch the prompts' positions and continuations, or why there is none.
    """
    for batch in _batches(model, prompts, token_budget):
        yield _tried(model, name, [(number, *prompts[number]) for number in batch], decode, on_piece)


def _tried(
    model: Any,
    name: str,
    batch: list[tuple[int, Sequence[int], Decoding]],
    decode: Decode,
    on_piece: OnPiece | None,
) -> list[tuple[int, Continuation | BackboneError]]:
    """The continuations of a batch; where it fails, each prompt is tried alone, so that one costs no other."""
    rows = [_Row(ids, decoding, decode, on_piece) for _, ids, decoding in batch]
    longest, most = max(len(row.prompt) for row in rows), max(row.decoding.max_new_tokens for row in rows)
    device = next(model.parameters()).device
    pad = _padding_id(model, rows[0].decoding)
    ids = torch.tensor([[pad] * (longest - len(row.prompt)) + row.prompt for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=device)
    options = replace(rows[0].decoding, max_new_tokens=most, pad_id=pad).options()
    try:
        with generating(name, longest, most):
            model.generate(ids, attention_mask=mask, custom_generate=_Loop(rows), **options)
    except BackboneError as error:
        if len(batch) == 1:
            return [(batch[0][0], error)]
        return [found for one in batch for found in _tried(model, name, [one], decode, on_piece)]
    for row in rows:
        row.finish()
    return [(batch[at][0], continuation(row.written, decode, row.decoding)) for at, row in enumerate(rows)]


class _Row:
    """A prompt, and what has been written behind it.

    Args:
        ids: The prompt's tokens.
        decoding: How it is continued.
        decode: From tokens to text.
        on_piece: Takes the text as it is written.
    """

    def __init__(self, ids: Sequence[int], decoding: Decoding, decode: Decode, on_piece: OnPiece | None) -> None:
        self.prompt, self.decoding = list(ids), decoding
        self.written: list[int] = []
        self._decode = decode
        self._stream = TextStream(decode, decoding.stop, on_piece) if on_piece else None
        self._formed = decoding.form.begin() if decoding.form else None
        self._random: torch.Generator | None = None

    def next_token(self, scores: torch.Tensor, processors: Any) -> int:
        """Choose the next token.

        Args:
            scores: Logits, `(vocabulary,)` float32.
            processors: Those of transformers, made for this prompt alone.
        """
        if self._formed:
            # First of all: what may not follow must not take the places of the most probable tokens.
            scores = self._formed.allowed(scores)
        if processors:
            ids = torch.tensor([[*self.prompt, *self.written]], device=scores.device)
            scores = processors(ids, scores[None])[0]
        if not self.decoding.temperature:
            return int(scores.argmax())
        if self._random is None:
            self._random = torch.Generator(scores.device).manual_seed(self.decoding.seed)
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._random))

    def take(self, token: int) -> None:
        """Go on with a token."""
        self.written.append(token)
        if self._formed:
            self._formed.take(token)
        if self._stream:
            self._stream.add([token])

    def is_full(self) -> bool:
        """Whether the text is as long as it may be, its form is complete, or a stop ends it."""
        if len(self.written) >= self.decoding.max_new_tokens or (self._formed and self._formed.is_whole):
            return True
        if not self.decoding.stop:
            return False
        text = self._decode(self.written)
        return before_stop(text, self.decoding.stop) != text

    def finish(self) -> None:
        """Pass on the rest of the text."""
        if self._stream:
            self._stream.end()


class _Loop:
    """The loop over tokens, in the form in which transformers' `generate` calls a decoding of one's own.

    Args:
        rows: The prompts of the batch, in its order.
    """

    def __init__(self, rows: list[_Row]) -> None:
        self._rows = rows

    def __call__(
        self,
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: Any,  # noqa: ARG002 - made for the padded batch
        stopping_criteria: Any,
        generation_config: Any,
        **inputs: Any,
    ) -> torch.Tensor:
        """Write to every row until all have ended; returns the tokens of the last that had not."""
        rows = self._rows
        processors = [
            model._get_logits_processor(generation_config, len(row.prompt), device=input_ids.device) for row in rows
        ]
        ended = [False] * len(rows)
        output = model._prefill(input_ids, generation_config, inputs)
        while True:
            inputs = model._update_model_kwargs_for_generation(output, inputs)
            logits = output.logits[:, -1].float()
            tokens = _next_tokens(rows, logits, processors)
            input_ids = torch.cat([input_ids, torch.tensor(tokens, device=input_ids.device)[:, None]], 1)
            stopped = stopping_criteria(input_ids, None).tolist()
            for number, row in enumerate(rows):
                if not ended[number]:
                    row.take(tokens[number])
                    ended[number] = stopped[number] or row.is_full()
            if all(ended):
                return input_ids
            if sum(ended) >= _ENDED_SHARE * len(rows) and _rows_can_leave(inputs.get("past_key_values")):
                left = [number for number, over in enumerate(ended) if not over]
                rows, processors = [rows[number] for number in left], [processors[number] for number in left]
                ended = [False] * len(rows)
                input_ids, inputs = _only(left, input_ids, inputs)
            given = model.prepare_inputs_for_generation(input_ids, next_sequence_length=1, **inputs)
            output = model(**given, return_dict=True)


def _next_tokens(rows: list[_Row], logits: torch.Tensor, processors: list[Any]) -> list[int]:
    if not any(processors) and not any(row.decoding.temperature or row.decoding.form for row in rows):
        chosen: list[int] = logits.argmax(-1).tolist()
        return chosen
    return [row.next_token(scores, own) for row, scores, own in zip(rows, logits, processors, strict=True)]


def _rows_can_leave(cache: Any) -> bool:
    """Whether all that the cache holds is keys and values, from which rows can be taken."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    return isinstance(cache, DynamicCache) and all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers
    )


def _only(left: list[int], input_ids: torch.Tensor, inputs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
    """A batch with some of its rows alone."""
    places = torch.tensor(left, device=input_ids.device)
    rows = len(input_ids)
    inputs["past_key_values"].batch_select_indices(places)
    chosen = {
        name: value[places] if isinstance(value, torch.Tensor) and value.ndim and len(value) == rows else value
        for name, value in inputs.items()
    }
    return input_ids[places], chosen


def _batches(model: Any, prompts: Sequence[tuple[Sequence[int], Decoding]], token_budget: int) -> Iterator[list[int]]:
    """Positions of the prompts that go on together: all options but limit and seed are the same, the longest first."""
    groups: dict[tuple[Decoding, int], list[int]] = {}
    pads = len(prompts) > 1 and _pads_harmlessly(model)
    for number, (ids, decoding) in enumerate(prompts):
        kind = replace(decoding, max_new_tokens=0, seed=0)
        groups.setdefault((kind, 0 if pads else len(ids)), []).append(number)
    for group in groups.values():
        lengths = np.array([len(prompts[number][0]) for number in group])
        for batch in by_token_budget(lengths, _PROMPT_TOKENS * token_budget):
            for start in range(0, len(batch), _MOST_ROWS):
                yield [group[place] for place in batch[start : start + _MOST_ROWS]]


def _pads_harmlessly(model: Any) -> bool:
    """Whether a prompt that is padded on the left is read as it is alone, which is tried once a model on short ones."""
    if model not in _PADS_HARMLESSLY:
        _PADS_HARMLESSLY[model] = _try_padding(model)
    return _PADS_HARMLESSLY[model]


_PADS_HARMLESSLY: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def _try_padding(model: Any) -> bool:
    ids = torch.tensor([[1, 2, 3, 1, 2, 3], [0, 0, 0, 2, 3, 1]], device=next(model.parameters()).device)
    mask = torch.tensor([[1] * 6, [0] * 3 + [1] * 3], device=ids.device)
    found: list[torch.Tensor] = []

    def logits(model: Any, input_ids: torch.Tensor, generation_config: Any, **given: Any) -> torch.Tensor:
        inputs = {name: value for name, value in given.items() if name not in ("logits_processor", "stopping_criteria")}
        found.append(model._prefill(input_ids, generation_config, inputs).logits[-1, -1].float())
        return input_ids

    options = {"max_new_tokens": 1, "do_sample": False, "pad_token_id": 0, "custom_generate": logits}
    try:
        with generating("", 6, 1):
            model.generate(ids, attention_mask=mask, **options)
            model.generate(ids[1:, 3:], attention_mask=mask[1:, 3:], **options)
    except BackboneError:
        return False
    tolerance = _TOLERANCE if model.dtype == torch.float32 else _COARSE_TOLERANCE
    return bool((found[0] - found[1]).abs().max() < tolerance)


def _padding_id(model: Any, decoding: Decoding) -> int:
    """Any token: what is padded is masked."""
    if decoding.pad_id is not None:
        return decoding.pad_id
    own = model.generation_config.pad_token_id
    return own if isinstance(own, int) and own >= 0 else 0
