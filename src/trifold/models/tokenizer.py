"""Texts to tokens, in flat arrays instead of a list per text."""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from trifold.errors import BackboneError, require
from trifold.hashing import short_digest
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.batching import PadTo, padded_length, to_longest
from trifold.models.context_length import context_length
from trifold.models.long_text import head_and_tail, relevant_characters
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.types import Text, TextPair, parts_of

if TYPE_CHECKING:
    import torch

_TEXTS_PER_CALL = 1_024
# At least this share of the tokens in the first texts must be known to the tokenizer; and how many texts are looked at.
_MIN_KNOWN_SHARE, _SAMPLE_TEXTS = 0.1, 256
# What models of transformers call the arrays of `Tokens.padded`, in that order.
MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_Array = TypeVar("_Array")


def named_inputs(arrays: Iterable[_Array]) -> dict[str, _Array]:
    """The arrays of `Tokens.padded`, two or three, by the names that models of transformers give them."""
    return dict(zip(MODEL_INPUTS, arrays, strict=False))


def pad_id_of(files: BackboneFiles) -> int:
    """The id that shorter texts of a batch are padded with: the padding token, or else the end-of-text token.

    Its vector is masked, but the id must be one that the model has a vector for.
    """
    config = read_config(files)
    for name in ("pad_token_id", "eos_token_id"):
        found = config.get(name)
        if isinstance(found, int) and 0 <= found < config.get("vocab_size", found + 1):
            return found
    return 0


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts in one array.

    Attributes:
        ids: `(total,)` int32, the ids of all texts one after the other.
        offsets: `(texts + 1,)` int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        truncated: `(texts,)` bool, whether a text was longer than the maximum.
        types: `(total,)` int8, the token type of each id, which tells the texts of a pair apart; `None` where the texts
            are no pairs, or the backbone knows no types.
    """

    ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray
    types: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truncated)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, `(texts,)` int64."""
        return np.diff(self.offsets)

    @cached_property
    def _longest(self) -> int:
        """Tokens of the longest text."""
        return int(self.lengths.max())

    def take(self, positions: np.ndarray) -> "Tokens":
        """The texts at `positions`, in that order."""
        types = None if self.types is None else self._of(positions, self.types)
        return Tokens.of(self._of(positions, self.ids), self.truncated[positions], types)

    @classmethod
    def of(
        cls, ids: Sequence[np.ndarray], truncated: Sequence[bool], types: Sequence[np.ndarray] | None = None
    ) -> "Tokens":
        """From the ids of each text, whether it was truncated, and its token types."""
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids])]).astype(np.int64)
        flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32)
        return cls(flat, offsets, np.array(truncated, dtype=bool), np.concatenate(types) if types else None)

    def each(self) -> list[np.ndarray]:
        """The ids of each text."""
        return [self.ids[start:end] for start, end in itertools.pairwise(self.offsets)]

    @cached_property
    def digests(self) -> list[bytes]:
        """A digest of 16 bytes of each text's tokens, and of their types."""
        of_types = [] if self.types is None else self._of(range(len(self)), self.types)
        parts = itertools.zip_longest(self.each(), of_types, fillvalue=np.zeros(0))
        return [short_digest(ids.tobytes() + types.tobytes()) for ids, types in parts]

    def padded(self, positions: np.ndarray, pad_id: int, pad_to: PadTo = to_longest) -> tuple[np.ndarray, ...]:
        """Padded ids, attention mask and, where there are any, token types of the texts at `positions`.

        Args:
            positions: Positions of the texts, `(batch,)`.
            pad_id: The id that shorter texts are padded with.
            pad_to: The padding rule; no text is padded beyond the longest of all texts.

        Returns:
            Two arrays, or three, `(batch, longest)` int64 each; padding has type 0, as the tokenizers of transformers
            give it.
        """
        lengths = self.lengths[positions]
        longest = padded_length(lengths, pad_to, self._longest)
        ids = np.full((len(positions), longest), pad_id, dtype=np.int64)
        mask = np.arange(longest) < lengths[:, None]
        ids[mask] = np.concatenate(self._of(positions, self.ids))
        if self.types is None:
            return ids, mask.astype(np.int64)
        types = np.zeros_like(ids)
        types[mask] = np.concatenate(self._of(positions, self.types))
        return ids, mask.astype(np.int64), types

    def batch(self, positions: np.ndarray, pad_id: int, pad_to: PadTo = to_longest) -> "tuple[torch.Tensor, ...]":
        """`padded`, as tensors."""
        import torch

        return tuple(map(torch.from_numpy, self.padded(positions, pad_id, pad_to)))

    def _of(self, positions: np.ndarray | range, flat: np.ndarray) -> list[np.ndarray]:
        """The parts of `ids` or `types` of the texts at `positions`."""
        return [flat[self.offsets[i] : self.offsets[i + 1]] for i in positions]


class Tokenizer:
    """A backbone's own fast tokenizer, with a maximum length.

    Args:
        files: The backbone.
        max_length: Tokens kept of each text, special tokens included.
        long_text: What is kept of a longer text, `truncate` or `head+tail` (`long_text.py`).

    Attributes:
        has_types: Whether the backbone tells the texts of a pair apart by token types.

    Raises:
        BackboneError: If the backbone has no fast tokenizer, or its context is shorter than `max_length`.
    """

    def __init__(self, files: BackboneFiles, max_length: int, long_text: str = "truncate") -> None:
        self.max_length, self.long_text = max_length, long_text
        self._name = files.name
        self._tokenizer = fast_tokenizer(files)
        self._tokenizer.no_padding()
        if long_text == "truncate":
            self._tokenizer.enable_truncation(max_length)
        else:
            self._tokenizer.no_truncation()
        self.pad_id = pad_id_of(files)
        self._vectors: int | None = read_config(files).get("vocab_size")
        # Tokenizers give types whether the model has vectors for them or not.
        self.has_types: bool = (read_config(files).get("type_vocab_size") or 0) > 1
        context = context_length(read_config(files))
        if context is not None and max_length > context:
            raise BackboneError(f"{files.name} reads at most {context} tokens: use --max-length {context} or less")

    @classmethod
    def of(cls, files: BackboneFiles, saved: dict[str, object]) -> "Tokenizer":
        """The tokenizer from what `described` returned."""
        return cls(files, int(str(saved["max_length"])), str(saved.get("long_text", "truncate")))

    def described(self) -> dict[str, object]:
        """What a saved model stores, so that it tokenises as in training."""
        return {"max_length": self.max_length, "long_text": self.long_text}

    def encode(self, texts: Sequence[Text]) -> Tokens:
        """Tokenise `texts` in parallel.

        They are tokenised in slices, so that only the flat arrays grow with the number of texts. The texts of a pair
        are put together as the backbone's tokenizer does it; of a pair that is too long, the longer text is cut.

        Raises:
            BackboneError: If a token has no vector in the model.
            SettingsError: If texts are pairs, and the maximum has no room for them or is not kept by cutting the end.
        """
        pairs = bool(texts) and isinstance(texts[0], TextPair)
        if pairs:
            self._require_room_for_pairs()
        flat: list[np.ndarray] = []
        types: list[np.ndarray] = []
        truncated: list[bool] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            slice_ = texts[start : start + _TEXTS_PER_CALL]
            shortened = [self._relevant(text) for text in slice_]
            # The fast form leaves out each token's position in the text, which nothing here needs.
            encodings = self._tokenizer.encode_batch_fast([parts if pairs else parts[0] for parts in shortened])
            for text, short, encoding in zip(slice_, shortened, encodings, strict=True):
                ids = np.array(encoding.ids, dtype=np.int32)
                too_long = bool(encoding.overflowing) or len(ids) > self.max_length
                if len(ids) > self.max_length:
                    ids = self._head_and_tail(ids, np.array(encoding.special_tokens_mask, dtype=bool))
                flat.append(ids)
                truncated.append(too_long or sum(map(len, short)) < len(text))
                if pairs and self.has_types:
                    types.append(np.array(encoding.type_ids, dtype=np.int8))
            self._require_vectors(flat[start:])
        return Tokens.of(flat, truncated, types)

    def require_words(self, texts: Sequence[Text]) -> None:
        """Refuse texts whose words the tokenizer hardly knows: they would all look alike to the model.

        Args:
            texts: Any number; the first 256 are looked at.

        Raises:
            BackboneError: If nearly all of their tokens are the unknown token, or they have no tokens.
        """
        sample = [part for text in texts[:_SAMPLE_TEXTS] for part in self._relevant(text)]
        names = (getattr(self._tokenizer.model, "unk_token", None), "[UNK]", "<unk>")
        unknown = next(
            (number for name in names if name and (number := self._tokenizer.token_to_id(name)) is not None), -1
        )
        found = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(sample, add_special_tokens=False)]
        total = sum(map(len, found))
        known = total - sum(ids.count(unknown) for ids in found)
        if sample and known <= _MIN_KNOWN_SHARE * total:
            raise BackboneError(
                f"the tokenizer of {self._name} knows {known:,} of the {total:,} tokens in the first texts: give a "
                "model for their language, or one that is saved with its own tokenizer"
            )

    def _require_vectors(self, found: Sequence[np.ndarray]) -> None:
        """Refuse token ids that the model has no vector for: the tokenizer belongs to another model."""
        highest = max((int(ids.max()) for ids in found if len(ids)), default=0)
        if self._vectors is not None and highest >= self._vectors:
            raise BackboneError(
                f"the tokenizer of {self._name} gives token {highest}, and the model has vectors for {self._vectors} "
                "tokens: give a model that is saved with its own tokenizer"
            )

    def identity(self) -> dict[str, object]:
        """Everything that determines the tokens of a text, as values that JSON can hold."""
        tokenizer = hashlib.sha256(self._tokenizer.to_str().encode()).hexdigest()
        return {"what": "tokens", "backbone": self._name, "tokenizer": tokenizer, **self.described()}

    def _relevant(self, text: Text) -> tuple[str, ...]:
        return tuple(relevant_characters(part, self.max_length, self.long_text) for part in parts_of(text))

    def _require_room_for_pairs(self) -> None:
        way_out = "a pair that is too long has its longer text cut at the end, so leave it out"
        require(self.long_text == "truncate", f"--long-text {self.long_text} with pairs of texts", way_out)
        least = self._tokenizer.num_special_tokens_to_add(is_pair=True) + 2
        require(self.max_length >= least, f"--max-length {self.max_length}", f"two texts take {least} tokens or more")

    def _head_and_tail(self, ids: np.ndarray, special: np.ndarray) -> np.ndarray:
        """Keep the special tokens at both ends, and between them the head and the tail of the text."""
        text = np.flatnonzero(~special)
        before, after = int(text[0]), len(ids) - int(text[-1]) - 1
        head, tail = head_and_tail(self.max_length - before - after, self.long_text)
        return np.concatenate([ids[: before + head], ids[len(ids) - after - tail :]])
