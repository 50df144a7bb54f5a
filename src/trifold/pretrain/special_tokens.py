"""A tokenizer as pretraining needs it: which ids are special, and what stands at a document's ends."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trifold.errors import BackboneError
from trifold.json_reading import parse_json
from trifold.models.backbone_files import BackboneFiles
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.pretrain.settings import ObjectiveName

_MASKS = ("[MASK]", "<mask>", "<|mask|>")
_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[SEP]", "<|im_end|>")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and its special tokens.

    Attributes:
        tokenizer: A tokenizer of the tokenizers library, which neither pads nor truncates.
        size: Number of token ids, special ones included.
        special: Ids of the special tokens, sorted.
        before: Ids added before every block of an encoder, or before every document of a decoder.
        after: Ids added after every block of an encoder; for a decoder its end-of-text token.
        mask_id: The mask token; `None` for a decoder.
        keeps_spaces: Whether different white space gives different tokens.
    """

    tokenizer: Any
    size: int
    special: np.ndarray
    before: tuple[int, ...]
    after: tuple[int, ...]
    mask_id: int | None
    keeps_spaces: bool = False

    @classmethod
    def of(cls, files: BackboneFiles, objective: ObjectiveName) -> "Vocabulary":
        """The vocabulary of a model or of a new tokenizer.

        Raises:
            BackboneError: If it lacks a mask token for `mlm`, or an end of text for `clm`.
        """
        tokenizer = fast_tokenizer(files)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        special = np.array(sorted(i for i, t in tokenizer.get_added_tokens_decoder().items() if t.special), np.int64)
        framed = tokenizer.encode("a")
        inner = [number for number, is_special in enumerate(framed.special_tokens_mask) if not is_special]
        if not inner:
            raise BackboneError(
                f"the tokenizer of {files.name} drops letters: give a model saved with its own tokenizer"
            )
        before, after = tuple(framed.ids[: inner[0]]), tuple(framed.ids[inner[-1] + 1 :])
        one, two = (tokenizer.encode(text, add_special_tokens=False).ids for text in ("a b", "a \n b"))
        shared = (tokenizer, tokenizer.get_vocab_size(), special, before)
        mask = _first_known(tokenizer, (_named(files, "mask_token"), *_MASKS))
        if objective == "mlm":
            if mask is None or not after:
                raise BackboneError(f"the tokenizer of {files.name} has no mask token: take an encoder, such as minilm")
            return cls(*shared, after, mask, keeps_spaces=one != two)
        end = _first_known(tokenizer, (_named(files, "eos_token"), *_ENDS))
        if end is None:
            raise BackboneError(f"the tokenizer of {files.name} has no end of text: take another --model")
        return cls(*shared, (end,), None, keeps_spaces=one != two)

    def is_special(self, ids: np.ndarray) -> np.ndarray:
        """Whether ids are special tokens; the result has the shape of `ids`."""
        return np.isin(ids, self.special)

    def seen(self, text: str) -> str:
        """The text as the tokens represent it. Its bytes are counted, since what a tokenizer drops is not predicted."""
        normaliser = self.tokenizer.normalizer
        if normaliser is not None:
            text = normaliser.normalize_str(text).replace("\u2581", " ")
        return text if self.keeps_spaces else " ".join(text.split())


def _named(files: BackboneFiles, role: str) -> str | None:
    """The text of a special token by its role, from tokenizer_config.json."""
    try:
        token = parse_json((files.folder / "tokenizer_config.json").read_bytes()).get(role)
    except (OSError, ValueError, AttributeError):
        return None
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None


def _first_known(tokenizer: Any, names: tuple[str | None, ...]) -> int | None:
    known = (tokenizer.token_to_id(name) for name in names if name)
    return next((number for number in known if number is not None), None)
