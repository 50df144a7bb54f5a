"""Continue a prompt with a model that was pretrained on next words."""

from typing import Any

from trifold.errors import SettingsError
from trifold.events import say
from trifold.models.backbone_files import BackboneFiles
from trifold.models.text_generation import Decoding, OnPiece, continue_prompt, model_context
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary


def continue_text(
    model: Any, files: BackboneFiles, prompt: str, settings: WritingSettings, show: OnPiece | None = None
) -> list[str]:
    """Continuations of `prompt`, without the prompt.

    Args:
        model: A decoder.
        files: Holds its tokenizer.
        prompt: The text to continue; if it is too long, its beginning is dropped.
        settings: How to continue it.
        show: Called with each piece as it is written, where one continuation is asked for.

    Raises:
        SettingsError: If the model's context leaves no room to write.
        BackboneError: If the model's own generation_config.json asks for what cannot be done.
    """
    vocabulary = Vocabulary.of(files, "clm")
    context = model_context(model)
    ids, room = _prompt_ids(vocabulary, prompt), settings.max_new_tokens
    if context is not None:
        ids = _last_that_fit(ids, context, settings.max_new_tokens)
        room = min(room, context - len(ids))
        if show and room < settings.max_new_tokens:
            say(f"note: the model reads {context} tokens at most, so {room} are written")
    end = vocabulary.after[0]
    decoding = Decoding(
        max_new_tokens=room,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        repetition_penalty=settings.repetition_penalty,
        stop=settings.stop,
        num_return_sequences=settings.num_return_sequences,
        seed=settings.seed,
        end_id=end,
        pad_id=end,
    )

    def decode(written: list[int]) -> str:
        return str(vocabulary.tokenizer.decode(written, skip_special_tokens=True))

    return [one.text for one in continue_prompt(model, files.name, ids, decode, decoding, show)]


def _prompt_ids(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """Token ids of a prompt as the beginning of a document, without the token that would end the document."""
    ids = [*vocabulary.before, *vocabulary.tokenizer.encode(prompt, add_special_tokens=False).ids]
    return ids or [vocabulary.after[0]]


def _last_that_fit(ids: list[int], context: int, new_tokens: int) -> list[int]:
    """The prompt, or if it does not fit its end, so that at least half of the context or `new_tokens` is left."""
    if len(ids) < context:
        return ids
    kept = max(1, context - min(new_tokens, context // 2))
    say(f"note: the prompt has {len(ids):,} tokens and the model reads {context}; its last {kept} are read")
    if context < 2:
        raise SettingsError("the model has no room to write: take another")
    return ids[-kept:]
