"""Continue a prompt with a decoder. Sampling and search are transformers' own; stops and streaming are ours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from trifold.errors import BackboneError
from trifold.models.answer_grammar import AnswerForm
from trifold.models.backbone_files import reason_of
from trifold.models.context_length import context_length
from trifold.models.loading import without_advice
from trifold.runtime import seed_everything

Decode = Callable[[list[int]], str]
OnPiece = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a continuation is written.

    Attributes:
        max_new_tokens: The most tokens to write.
        temperature: 0 always takes the most probable token; above 0, tokens are sampled.
        top_p: Sample among the most probable tokens that together have this probability; `None` for the model's own.
        top_k: Sample among this many most probable tokens, 0 for all; `None` for the model's own.
        repetition_penalty: Above 1, tokens that occurred are less probable; `None` for the model's own.
        stop: A continuation ends before the first of these texts.
        num_return_sequences: Continuations to write.
        seed: Seed of sampling.
        end_id: Token that ends a text; `None` for the model's own.
        pad_id: Token that fills up finished texts; `None` for the model's own.
        form: What the text is held to, by `continue_prompts` alone; `None` for nothing.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    num_return_sequences: int = 1
    seed: int = 0
    end_id: int | None = None
    pad_id: int | None = None
    form: AnswerForm | None = None

    def options(self) -> dict[str, Any]:
        """As transformers' `generate` takes them; what is `None` is left to the model's own configuration."""
        sampling = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        given = {
            **(sampling if self.temperature else {}),
            "repetition_penalty": self.repetition_penalty,
            "eos_token_id": self.end_id,
            "pad_token_id": self.pad_id,
        }
        return {
            "do_sample": self.temperature > 0,
            "max_new_tokens": self.max_new_tokens,
            "num_return_sequences": self.num_return_sequences,
            **{name: value for name, value in given.items() if value is not None},
        }


@dataclass(frozen=True)
class Continuation:
    """What a decoder wrote after a prompt.

    Attributes:
        text: Without the stop that ended it.
        tokens: Tokens that were written.
        max_tokens: Tokens that might have been written.
        stopped: Whether a stop ended it.
    """

    text: str
    tokens: int
    max_tokens: int
    stopped: bool


def model_context(model: Any) -> int | None:
    """The most tokens that a loaded model can read at once; `None` if its configuration does not say."""
    return context_length(model.config.get_text_config().to_dict())


def continue_prompt(
    model: Any, name: str, prompt: Sequence[int], decode: Decode, decoding: Decoding, on_piece: OnPiece | None = None
) -> list[Continuation]:
    """Continue a prompt.

    Args:
        model: A decoder of transformers in evaluation mode.
        name: Name of the model, for messages.
        prompt: Token ids, at least one; prompt and continuation together must fit the model's context.
        decode: From token ids to text without special tokens.
        decoding: How the continuation is written.
        on_piece: Called with each piece of the text as it is written; only where one continuation is asked for.

    Raises:
        BackboneError: If the model's own generation_config.json asks for what cannot be done, or prompt and
            continuation are longer than the model's tables.
    """
    device = next(model.parameters()).device
    ids = torch.tensor([list(prompt)], device=device)
    if decoding.temperature:
        seed_everything(decoding.seed)
    streamer = _Streamer(decode, decoding.stop, on_piece) if on_piece and decoding.num_return_sequences == 1 else None
    with generating(name, len(prompt), decoding.max_new_tokens):
        rows = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            streamer=streamer,
            stopping_criteria=[_StopTexts(decode, decoding.stop, len(prompt))] if decoding.stop else None,
            **decoding.options(),
        )
    return [continuation(row[len(prompt) :].tolist(), decode, decoding) for row in rows]


@contextmanager
def generating(name: str, prompt_tokens: int, new_tokens: int) -> Iterator[None]:
    """Inside, transformers' `generate` may be called.

    Args:
        name: Name of the model, for messages.
        prompt_tokens: Tokens of the longest prompt.
        new_tokens: The most tokens that are written to it.

    Raises:
        BackboneError: As `continue_prompt`.
    """
    try:
        # transformers leaves out a mask that hides nothing, and then warns that there is none.
        with without_advice(), torch.inference_mode():
            yield
    except IndexError:
        raise BackboneError(
            f"{name} cannot read {prompt_tokens:,} tokens and write {new_tokens:,}, and its config.json "
            "does not say how many it can: shorten the prompt, or ask for fewer"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"{name} cannot write as its own generation_config.json asks ({reason_of(error)}): correct that file"
        ) from None


def continuation(written: list[int], decode: Decode, decoding: Decoding) -> Continuation:
    """What the tokens behind a prompt say; `max_new_tokens` of `decoding` might have been written."""
    # Beside a longer one, a text is filled up behind its end.
    tokens = written.index(decoding.end_id) + 1 if decoding.end_id in written else len(written)
    text = decode(written)
    shown = before_stop(text, decoding.stop)
    return Continuation(shown, tokens, decoding.max_new_tokens, stopped=shown != text)


class _StopTexts:
    """Ends each continuation once it holds a stop; transformers' own stop strings do not work with WordPiece."""

    def __init__(self, decode: Decode, stops: tuple[str, ...], prompt_tokens: int) -> None:
        self._decode, self._stops, self._prompt_tokens = decode, stops, prompt_tokens

    def __call__(self, ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        texts = [self._decode(row[self._prompt_tokens :].tolist()) for row in ids]
        done = [any(stop in text for stop in self._stops) for text in texts]
        return torch.tensor(done, dtype=torch.bool, device=ids.device)


def before_stop(text: str, stops: tuple[str, ...]) -> str:
    """A text up to the first stop in it."""
    ends = [text.find(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


class TextStream:
    """Passes text on as it is written, but holds back an end that may turn out to begin a stop.

    Args:
        decode: From token ids to text without special tokens.
        stops: As in `Decoding`.
        on_piece: Takes the pieces.
    """

    def __init__(self, decode: Decode, stops: tuple[str, ...], on_piece: OnPiece) -> None:
        self._decode, self._stops, self._on_piece = decode, stops, on_piece
        self._ids: list[int] = []
        self._passed_on = 0

    def add(self, tokens: Sequence[int]) -> None:
        """Take the next token ids."""
        self._ids += tokens
        text = self._text()
        # A character may take several tokens; the first of them decode to the replacement character.
        if not text.endswith("\ufffd"):
            self._pass_on(text[: len(text) - self._held_back(text)])

    def end(self) -> None:
        """Pass on the rest: no more tokens will come."""
        self._pass_on(self._text())

    def _text(self) -> str:
        return before_stop(self._decode(self._ids), self._stops)

    def _held_back(self, text: str) -> int:
        """Characters at the end that may begin a stop."""
        sizes = (size for stop in self._stops for size in range(1, len(stop)) if text.endswith(stop[:size]))
        return max(sizes, default=0)

    def _pass_on(self, text: str) -> None:
        if len(text) > self._passed_on:
            self._on_piece(text[self._passed_on :])
            self._passed_on = len(text)


class _Streamer(TextStream):
    """The form in which transformers' `generate` hands on what it writes."""

    _is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Take the next token ids; the first call brings the prompt."""
        if self._is_prompt:
            self._is_prompt = False
            return
        self.add(value.flatten().tolist())
