"""Go on with a prompt: sampling and search are transformers' own."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from trifold.errors import BackboneError, SettingsError
from trifold.events import say
from trifold.models.backbone_files import BackboneFiles, reason_of
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.runtime import seed_everything


@torch.inference_mode()
def write(
    model: Any, files: BackboneFiles, prompt: str, settings: WritingSettings, show: Callable[[str], None] | None = None
) -> list[str]:
    """Texts that go on with `prompt`, without it.

    Args:
        model: A decoder.
        files: With its tokenizer.
        prompt: What to go on with.
        settings: How.
        show: Told each bit as it is written, where one text is asked for.

    Raises:
        SettingsError: If the model has no room to write.
        BackboneError: If its own settings for writing are none that can be followed.
    """
    vocabulary = Vocabulary.of(files, "clm")
    device = next(model.parameters()).device
    ids = _fitting(_begun(vocabulary, prompt), model, settings.max_new_tokens)
    room = _places(model) - len(ids)
    if show and room < settings.max_new_tokens:
        say(f"note: the model reads {_places(model)} tokens at most, so {room} are written")
    seed_everything(settings.seed)
    streamer = _Streamer(vocabulary, settings.stop, show) if show and settings.num_return_sequences == 1 else None
    sampling = settings.temperature > 0
    chosen = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k} if sampling else {}
    tokens = torch.tensor([ids], device=device)
    try:
        found = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=min(settings.max_new_tokens, room),
            do_sample=sampling,
            repetition_penalty=settings.repetition_penalty,
            num_return_sequences=settings.num_return_sequences,
            eos_token_id=vocabulary.after[0],
            pad_token_id=vocabulary.after[0],
            streamer=streamer,
            **chosen,
            stopping_criteria=[_Stops(vocabulary, settings.stop, len(ids))] if settings.stop else None,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"{files.name} cannot write as its own generation_config.json asks ({reason_of(error)}): mend that file"
        ) from None
    return [_before_stop(_said(vocabulary, row[len(ids) :].tolist()), settings.stop) for row in found]


def _said(vocabulary: Vocabulary, ids: list[int]) -> str:
    return str(vocabulary.tokenizer.decode(ids, skip_special_tokens=True))


class _Stops:
    """Ends each text once it holds a stop; transformers' own stop strings know no WordPiece."""

    def __init__(self, vocabulary: Vocabulary, stops: tuple[str, ...], begin: int) -> None:
        self._vocabulary, self._stops, self._begin = vocabulary, stops, begin

    def __call__(self, ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        texts = [_said(self._vocabulary, row[self._begin :].tolist()) for row in ids]
        done = [any(stop in text for stop in self._stops) for text in texts]
        return torch.tensor(done, dtype=torch.bool, device=ids.device)


def _begun(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """A prompt as the beginning of a document: what the tokenizer puts behind a text would end it."""
    ids = [*vocabulary.before, *vocabulary.tokenizer.encode(prompt, add_special_tokens=False).ids]
    return ids or [vocabulary.after[0]]


def _places(model: Any) -> int:
    places = getattr(model.config, "max_position_embeddings", None)
    return places if isinstance(places, int) else 1 << 30


def _fitting(ids: list[int], model: Any, new_tokens: int) -> list[int]:
    """A prompt too long to be read loses its beginning, so that something can be written."""
    places = _places(model)
    if len(ids) < places:
        return ids
    kept = max(1, places - min(new_tokens, places // 2))
    say(f"note: the prompt has {len(ids):,} tokens and the model reads {places}; its last {kept} are read")
    if places < 2:
        raise SettingsError("the model has no room to write: take another")
    return ids[-kept:]


def _before_stop(text: str, stops: tuple[str, ...]) -> str:
    ends = [text.find(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


class _Streamer:
    """Hands text on as it is written, but holds back what may turn out to be a stop."""

    def __init__(self, vocabulary: Vocabulary, stops: tuple[str, ...], show: Callable[[str], None]) -> None:
        self._vocabulary, self._stops, self._show = vocabulary, stops, show
        self._ids: list[int] = []
        self._shown = 0
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Take the next ids; the first call brings the prompt."""
        if self._prompt:
            self._prompt = False
            return
        self._ids += value.flatten().tolist()
        text = self._text()
        # A character may take several tokens, and the first of them decode to nothing that can be shown.
        if not text.endswith("\ufffd"):
            self._pass_on(text[: len(text) - max(self._held(text))])

    def end(self) -> None:
        """No more will come."""
        self._pass_on(self._text())

    def _text(self) -> str:
        return _before_stop(_said(self._vocabulary, self._ids), self._stops)

    def _held(self, text: str) -> Iterator[int]:
        """Characters at the end that may begin a stop."""
        yield 0
        for stop in self._stops:
            yield max(size for size in range(len(stop)) if size == 0 or text.endswith(stop[:size]))

    def _pass_on(self, text: str) -> None:
        if len(text) > self._shown:
            self._show(text[self._shown :])
            self._shown = len(text)
