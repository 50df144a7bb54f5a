"""Go on with a prompt: sampling and search are transformers' own."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from trifold.backbone.locate import BackboneFiles
from trifold.errors import SettingsError
from trifold.pretrain.settings import WritingSettings
from trifold.progress import say
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
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
    device = next(model.parameters()).device
    ids = _fitting(tokenizer(prompt)["input_ids"] or [tokenizer.eos_token_id], model, settings.max_new_tokens)
    room = _places(model) - len(ids)
    if show and room < settings.max_new_tokens:
        say(f"note: the model reads {_places(model)} tokens at most, so {room} are written")
    seed_everything(settings.seed)
    streamer = _Streamer(tokenizer, settings.stop, show) if show and settings.num_return_sequences == 1 else None
    sampling = settings.temperature > 0
    chosen = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k} if sampling else {}
    tokens = torch.tensor([ids], device=device)
    found = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=min(settings.max_new_tokens, room),
        do_sample=sampling,
        repetition_penalty=settings.repetition_penalty,
        num_return_sequences=settings.num_return_sequences,
        pad_token_id=tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
        streamer=streamer,
        **chosen,
        **({"stop_strings": list(settings.stop), "tokenizer": tokenizer} if settings.stop else {}),
    )
    texts = [tokenizer.decode(row[len(ids) :], skip_special_tokens=True) for row in found]
    return [_before_stop(text, settings.stop) for text in texts]


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

    def __init__(self, tokenizer: Any, stops: tuple[str, ...], show: Callable[[str], None]) -> None:
        self._tokenizer, self._stops, self._show = tokenizer, stops, show
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
        return _before_stop(str(self._tokenizer.decode(self._ids, skip_special_tokens=True)), self._stops)

    def _held(self, text: str) -> Iterator[int]:
        """Characters at the end that may begin a stop."""
        yield 0
        for stop in self._stops:
            yield max(size for size in range(len(stop)) if size == 0 or text.endswith(stop[:size]))

    def _pass_on(self, text: str) -> None:
        if len(text) > self._shown:
            self._show(text[self._shown :])
            self._shown = len(text)
