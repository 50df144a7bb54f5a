"""Texts to tokens, in flat arrays instead of a list per text."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trifold.errors import BackboneError, require
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.long_text import characters_of, head_and_tail, relevant_characters, window_places
from trifold.models.settings import MAX_WINDOWS, BackboneSettings
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.models.tokens import Tokens
from trifold.types import Text, TextPair, parts_of

_TEXTS_PER_CALL = 1_024
# At least this share of the tokens in the first texts must be known to the tokenizer; and how many texts are looked at.
_MIN_KNOWN_SHARE, _SAMPLE_TEXTS = 0.1, 256


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


class Tokenizer:
    """A backbone's own fast tokenizer, with a maximum length.

    Args:
        files: The backbone.
        max_length: Tokens kept of each text, or of each window, special tokens included.
        long_text: What is read of a longer text, `truncate`, `head+tail` or `window` (`long_text.py`).
        max_windows: The most windows of a text; 8 where `None`.

    Attributes:
        pad_id: The id that shorter texts of a batch are padded with.
        most_tokens: The most tokens of a text, those of all its windows together.
        has_types: Whether the backbone tells the texts of a pair apart by token types.

    Raises:
        BackboneError: If the backbone has no fast tokenizer, or its context is shorter than `max_length`.
    """

    def __init__(
        self, files: BackboneFiles, max_length: int, long_text: str = "truncate", max_windows: int | None = None
    ) -> None:
        self.max_length, self.long_text = max_length, long_text
        self.max_windows = max_windows or MAX_WINDOWS
        self.most_tokens = max_length * (self.max_windows if self.reads_windows else 1)
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
    def chosen(cls, files: BackboneFiles, settings: BackboneSettings) -> "Tokenizer":
        """The tokenizer that reads as the user chose."""
        return cls(files, settings.max_length, settings.long_text, settings.max_windows)

    @classmethod
    def of(cls, files: BackboneFiles, saved: Mapping[str, Any]) -> "Tokenizer":
        """The tokenizer from what `described` returned."""
        return cls(files, int(saved["max_length"]), saved.get("long_text", "truncate"), saved.get("max_windows"))

    @property
    def reads_windows(self) -> bool:
        """Whether a text may take several windows."""
        return self.long_text == "window"

    def described(self) -> dict[str, object]:
        """What a saved model stores, so that it tokenises as in training."""
        windows = {"max_windows": self.max_windows} if self.reads_windows else {}
        return {"max_length": self.max_length, "long_text": self.long_text, **windows}

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
        windows: list[int] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            slice_ = texts[start : start + _TEXTS_PER_CALL]
            shortened = [self._relevant(text) for text in slice_]
            # The fast form leaves out each token's position in the text, which nothing here needs.
            encodings = self._tokenizer.encode_batch_fast([parts if pairs else parts[0] for parts in shortened])
            for text, short, encoding in zip(slice_, shortened, encodings, strict=True):
                ids = np.array(encoding.ids, dtype=np.int32)
                cut, count = bool(encoding.overflowing) or sum(map(len, short)) < len(text), 1
                if len(ids) > self.max_length:
                    ids, count, left_out = self._shortened(ids, np.array(encoding.special_tokens_mask, dtype=bool))
                    cut = cut or left_out
                flat.append(ids)
                truncated.append(cut)
                windows.append(count)
                if pairs and self.has_types:
                    types.append(np.array(encoding.type_ids, dtype=np.int8))
            self._require_vectors(flat[start:])
        return Tokens.of(flat, truncated, windows, types)

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each part of a text that is read: the whole, its beginning, both ends, or its windows."""
        (short,) = self._relevant(text)
        encoding = self._tokenizer.encode(short)
        kept = [
            span for span, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not special
        ]
        special_tokens = len(encoding.ids) - len(kept)
        room = self.max_length - special_tokens
        if not kept or not (encoding.overflowing or len(kept) > room or len(short) < len(text)):
            return [(0, len(text))]
        if self.reads_windows:
            starts, size, left_out = window_places(max(len(kept), room), room, self.max_windows)
            if not left_out and short == text:
                return [(0, len(text))]
            ends = [(kept[start][0], kept[min(start + size, len(kept)) - 1][1]) for start in starts]
            return characters_of(ends, text, self.max_length, self.max_windows)
        head, tail = head_and_tail(room, self.long_text)
        if len(kept) <= room:
            # So many characters in so few tokens that those beyond them are not looked at.
            head = len(kept) if self.long_text == "truncate" else sum(end <= len(short) // 2 for _, end in kept)
            tail = len(kept) - head
        parts = [(0, kept[head - 1][1])] if head else []
        behind = len(text) - len(short)
        return [*parts, (kept[-tail][0] + behind, len(text))] if tail else parts

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
        """The relevant characters of a text, or of each text of a pair."""
        most = self.max_length, self.long_text, self.max_windows
        return tuple(relevant_characters(part, *most) for part in parts_of(text))

    def _require_room_for_pairs(self) -> None:
        way_out = "a pair that is too long has its longer text cut at the end, so leave it out"
        require(self.long_text == "truncate", f"--long-text {self.long_text} with pairs of texts", way_out)
        least = self._tokenizer.num_special_tokens_to_add(is_pair=True) + 2
        require(self.max_length >= least, f"--max-length {self.max_length}", f"two texts take {least} tokens or more")

    def _shortened(self, ids: np.ndarray, special: np.ndarray) -> tuple[np.ndarray, int, bool]:
        """The ids of a longer text that are read, in how many windows, and whether some are left out.

        The special tokens at both ends are kept: around the head and the tail of the text, or around each window.
        """
        own = np.flatnonzero(~special)
        before, after = ids[: own[0]], ids[own[-1] + 1 :]
        text, room = ids[own[0] : own[-1] + 1], self.max_length - len(before) - len(after)
        if not self.reads_windows:
            head, tail = head_and_tail(room, self.long_text)
            return np.concatenate([before, text[:head], text[len(text) - tail :], after]), 1, True
        starts, size, left_out = window_places(len(text), room, self.max_windows)
        parts = [part for start in starts for part in (before, text[start : start + size], after)]
        return np.concatenate(parts), len(starts), left_out
