"""What the answers of a decoder on this machine are held to: a JSON Schema, or the labels that it chooses from."""

from functools import cached_property
from typing import Any

from trifold.errors import BackboneError, LlmError
from trifold.events import say
from trifold.llm.contract import Sampling
from trifold.models.answer_grammar import AnswerForm, AnswerForms


class HeldAnswers:
    """Forms for the answers of a model, made when one is first asked for.

    Args:
        name: The model's name.
        model: The model of transformers.
        tokenizer: Its fast tokenizer of transformers.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self._name, self._model, self._tokenizer = name, model, tokenizer

    def form(self, sampling: Sampling) -> AnswerForm | None:
        """The form of an answer; `None` where it is free, or can only be asked for in words.

        Raises:
            LlmError: If there is no holding to the schema.
        """
        words = [] if sampling.several else [choice.value for choice in sampling.choices]
        if (sampling.json_schema is None and not words) or self._forms is None:
            return None
        try:
            schema = sampling.json_schema
            return self._forms.of_words(words) if schema is None else self._forms.of_schema(schema)
        except BackboneError as error:
            raise LlmError(str(error)) from None

    @cached_property
    def _forms(self) -> AnswerForms | None:
        own = self._model.generation_config.eos_token_id
        ends = own if isinstance(own, list) else [] if own is None else [own]
        try:
            vocabulary = self._model.get_output_embeddings().weight.shape[0]
            return AnswerForms(self._name, self._tokenizer, vocabulary, ends)
        except BackboneError as error:
            say(f"note: {error}")
            return None
