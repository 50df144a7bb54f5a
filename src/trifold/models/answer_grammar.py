"""Answers held to a form: JSON that obeys a schema, or one of some words. Tokens that lead nowhere else get no chance.

Which tokens these are is llguidance's work (docs/decisions/0032); only this file knows it.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from trifold.errors import BackboneError
from trifold.models.backbone_files import reason_of

INSTALL = "pip install 'trifold[grammar]'"
# Blanks anywhere would let a small model write them until its tokens are spent.
_JSON_STYLE: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class AnswerForm:
    """A form of answers, ready for any number of them.

    Args:
        tokens: The tokenizer as llguidance knows it.
        grammar: The form as llguidance's grammar.
        vocabulary: Logits of the model.
    """

    def __init__(self, tokens: Any, grammar: str, vocabulary: int) -> None:
        self._tokens, self._grammar, self._vocabulary = tokens, grammar, vocabulary

    def begin(self) -> "FormedAnswer":
        """An answer of which nothing is written yet."""
        from llguidance import LLMatcher

        # What it would log is raised in our words.
        return FormedAnswer(LLMatcher(self._tokens, self._grammar, log_level=0), self._vocabulary)


class FormedAnswer:
    """An answer that is written in a form.

    Args:
        matcher: llguidance's, at the beginning.
        vocabulary: Logits of the model.
    """

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Logits, `(vocabulary,)`, with those of tokens that the form does not allow next at minus infinity."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        mask = torch.from_numpy(bits[: self._vocabulary].astype(bool)).to(scores.device)
        return scores.masked_fill(~mask, float("-inf"))

    def take(self, token: int) -> None:
        """Go on with a token.

        Raises:
            BackboneError: If nothing can follow what is written, as with a schema that nothing obeys.
        """
        self._matcher.consume_token(token)
        if self._matcher.is_error():
            raise BackboneError(
                f"the answer cannot be held to its form ({_on_one_line(self._matcher.get_error())}): a schema that "
                "refers to itself without an end, or asks for very much, is obeyed by no answer; write it without that"
            )

    @property
    def is_whole(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped())


class AnswerForms:
    """Forms for the answers of one model.

    Args:
        name: Of the model, for messages.
        tokenizer: Its fast tokenizer of transformers.
        vocabulary: Its logits.
        end_ids: Tokens that end its answers; the tokenizer's own where empty.

    Raises:
        BackboneError: If llguidance is not installed, or cannot read the tokenizer.
    """

    def __init__(self, name: str, tokenizer: Any, vocabulary: int, end_ids: Sequence[int] = ()) -> None:
        self._name, self._vocabulary = name, vocabulary
        self._known: dict[str, AnswerForm] = {}
        try:
            from llguidance.hf import from_tokenizer
        except ImportError:
            raise BackboneError(f"answers are held to no form without llguidance: {INSTALL}") from None
        try:
            self._tokens = from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(end_ids) or None)
        except Exception as error:  # noqa: BLE001 - llguidance promises nothing about exceptions
            raise BackboneError(f"answers of {name} are held to no form ({reason_of(error)})") from None

    def of_schema(self, schema: str) -> AnswerForm:
        """JSON that obeys a schema.

        Args:
            schema: JSON Schema, as JSON; `{}` allows any object.

        Raises:
            BackboneError: If it is no schema, or has what answers cannot be held to.
        """
        from llguidance import LLMatcher

        whole = json.dumps({"type": "object"}) if schema == "{}" else schema
        return self._form(LLMatcher.grammar_from_json_schema(whole, defaults=_JSON_STYLE), "output.schema")

    def of_words(self, words: Sequence[str]) -> AnswerForm:
        """One of some words, and nothing else; a space before it is allowed."""
        from llguidance import LLMatcher

        either = " | ".join(json.dumps(word, ensure_ascii=False) for word in words)
        return self._form(LLMatcher.grammar_from_lark(f'start: " "? ({either})'), "the labels")

    def _form(self, grammar: str, what: str) -> AnswerForm:
        if grammar not in self._known:
            from llguidance import LLMatcher

            wrong, said = LLMatcher.validate_grammar_with_warnings(grammar, self._tokens)
            if wrong:
                raise BackboneError(
                    f"answers cannot be held to {what} ({_on_one_line(said[0])}): write it without that"
                )
            self._known[grammar] = AnswerForm(self._tokens, grammar, self._vocabulary)
        return self._known[grammar]


def _on_one_line(said: str) -> str:
    return " ".join(said.split())[:200]
