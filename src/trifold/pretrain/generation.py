"""Continue a prompt with a model that was pretrained on next words."""

from typing import Any

from trifold.errors import SettingsError
from trifold.models.answer_length import reason_against
from trifold.models.backbone_files import BackboneFiles
from trifold.models.text_generation import Continuation, Decoding, OnPiece, continue_prompt, model_context
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary

_USUAL_TOKENS = 100


def continue_text(
    model: Any, files: BackboneFiles, prompt: str, settings: WritingSettings, show: OnPiece | None = None
) -> list[Continuation]:
    """Continuations of `prompt`, without the prompt.

    Args:
        model: A decoder.
        files: Holds its tokenizer.
        prompt: The text to continue.
        settings: How to continue it.
        show: Called with each piece as it is written, where one continuation is asked for.

    Raises:
        SettingsError: If the model's context does not hold the prompt and what is to be written.
        BackboneError: If the model's own generation_config.json asks for what cannot be done.
    """
    vocabulary, window = Vocabulary.of(files, "clm"), model_context(model)
    ids, asked = _prompt_ids(vocabulary, prompt), settings.max_new_tokens
    if reason := reason_against(files.name, len(ids), asked, window, "--max-new-tokens"):
        raise SettingsError(str(reason))
    room = asked or (_USUAL_TOKENS if window is None else min(_USUAL_TOKENS, window - len(ids)))
    return _continue(model, files.name, vocabulary, ids, settings, room, show)


def continue_end(model: Any, files: BackboneFiles, prompt: str, settings: WritingSettings) -> str:
    """A continuation of a prompt that loses its beginning where it does not fit, as it does in training."""
    vocabulary, window = Vocabulary.of(files, "clm"), model_context(model)
    ids, room = _prompt_ids(vocabulary, prompt), settings.max_new_tokens or _USUAL_TOKENS
    if window is not None:
        ids = ids[-max(1, window - min(room, window // 2)) :]
        room = min(room, window - len(ids))
    return _continue(model, files.name, vocabulary, ids, settings, room, None)[0].text


def _continue(
    model: Any,
    name: str,
    vocabulary: Vocabulary,
    ids: list[int],
    settings: WritingSettings,
    room: int,
    show: OnPiece | None,
) -> list[Continuation]:
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

    return continue_prompt(model, name, ids, decode, decoding, show)


def _prompt_ids(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """Token ids of a prompt as the beginning of a document, without the token that would end the document."""
    ids = [*vocabulary.before, *vocabulary.tokenizer.encode(prompt, add_special_tokens=False).ids]
    return ids or [vocabulary.after[0]]
