"""Texts to tokens, in flat arrays instead of a list per text."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trifold.errors import BackboneError
from trifold.hashing import short_digest
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.batching import PadTo, padded_length, to_longest
from trifold.models.context_length import context_length
from trifold.models.long_text import characters_of, head_and_tail, relevant_characters, window_places
from trifold.models.settings import MAX_WINDOWS, BackboneSettings
from trifold.models.tokenizer_files import fast_tokenizer

if TYPE_CHECKING:
    import torch

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


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts in one array.

    Attributes:
        ids: `(total,)` int32, the ids of all texts one after the other.
        offsets: `(texts + 1,)` int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        truncated: `(texts,)` bool, whether a text was too long to be read whole.
        windows: `(texts,)` int64, in how many windows a text is read. Its ids are those of its windows one after the
            other, all of one length, each with special tokens of its own. `None` where every text is one window.
    """

    ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray
    windows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truncated)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, those of all its windows together, `(texts,)` int64."""
        return np.diff(self.offsets)

    @cached_property
    def _longest(self) -> int:
        """Tokens of the longest window."""
        return int(self.window_lengths(np.arange(len(self))).max())

    def windows_of(self, positions: np.ndarray) -> np.ndarray | None:
        """How many windows each of the texts at `positions` has; `None` where every text is one."""
        return None if self.windows is None else self.windows[positions]

    def window_lengths(self, positions: np.ndarray) -> np.ndarray:
        """Tokens of each window of the texts at `positions`, `(windows,)`."""
        windows = self.windows_of(positions)
        lengths: np.ndarray = self.lengths[positions]
        return lengths if windows is None else np.repeat(lengths // windows, windows)

    def take(self, positions: np.ndarray) -> "Tokens":
        """The texts at `positions`, in that order."""
        ids = [self.ids[self.offsets[i] : self.offsets[i + 1]] for i in positions]
        return Tokens.of(ids, self.truncated[positions], self.windows_of(positions))

    @classmethod
    def of(
        cls, ids: Sequence[np.ndarray], truncated: Sequence[bool], windows: Sequence[int] | np.ndarray | None = None
    ) -> "Tokens":
        """From the ids of each text, whether it was truncated, and how many windows it has."""
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids])]).astype(np.int64)
        flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32)
        counts = None if windows is None else np.array(windows, dtype=np.int64)
        several = counts is not None and bool((counts > 1).any())
        return cls(flat, offsets, np.array(truncated, dtype=bool), counts if several else None)

    def each(self) -> list[np.ndarray]:
        """The ids of each text."""
        return [self.ids[start:end] for start, end in itertools.pairwise(self.offsets)]

    @cached_property
    def digests(self) -> list[bytes]:
        """A digest of 16 bytes of each text's tokens, and of the windows that they are in."""
        if self.windows is None:
            return [short_digest(part.tobytes()) for part in self.each()]
        windows = [b"" if count == 1 else b"windows %d" % count for count in self.windows]
        return [short_digest(part.tobytes() + count) for part, count in zip(self.each(), windows, strict=True)]

    def padded(self, positions: np.ndarray, pad_id: int, pad_to: PadTo = to_longest) -> tuple[np.ndarray, np.ndarray]:
        """Padded ids and attention mask of the texts at `positions`, both `(windows, longest)` int64.

        A text has one row, or where texts are read in windows a row for each, one after the other.

        Args:
            positions: Positions of the texts, `(batch,)`.
            pad_id: The id that shorter windows are padded with.
            pad_to: The padding rule; nothing is padded beyond the longest window of all texts.
        """
        lengths = self.window_lengths(positions)
        longest = padded_length(lengths, pad_to, self._longest)
        ids = np.full((len(lengths), longest), pad_id, dtype=np.int64)
        mask = np.arange(longest) < lengths[:, None]
        ids[mask] = np.concatenate([self.ids[self.offsets[i] : self.offsets[i + 1]] for i in positions])
        return ids, mask.astype(np.int64)

    def batch(
        self, positions: np.ndarray, pad_id: int, pad_to: PadTo = to_longest
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """`padded`, as tensors."""
        import torch

        ids, mask = self.padded(positions, pad_id, pad_to)
        return torch.from_numpy(ids), torch.from_numpy(mask)


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

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Tokenise `texts` in parallel.

        They are tokenised in slices, so that only the flat arrays grow with the number of texts.

        Raises:
            BackboneError: If a token has no vector in the model.
        """
        flat: list[np.ndarray] = []
        truncated: list[bool] = []
        windows: list[int] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            slice_ = texts[start : start + _TEXTS_PER_CALL]
            shortened = [self._relevant(text) for text in slice_]
            # The fast form leaves out each token's position in the text, which nothing here needs.
            encodings = self._tokenizer.encode_batch_fast(shortened)
            for text, short, encoding in zip(slice_, shortened, encodings, strict=True):
                ids = np.array(encoding.ids, dtype=np.int32)
                cut, count = bool(encoding.overflowing) or len(short) < len(text), 1
                if len(ids) > self.max_length:
                    ids, count, left_out = self._shortened(ids, np.array(encoding.special_tokens_mask, dtype=bool))
                    cut = cut or left_out
                flat.append(ids)
                truncated.append(cut)
                windows.append(count)
            self._require_vectors(flat[start:])
        return Tokens.of(flat, truncated, windows)

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each part of a text that is read: the whole, its beginning, both ends, or its windows."""
        short = self._relevant(text)
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

    def require_words(self, texts: Sequence[str]) -> None:
        """Refuse texts whose words the tokenizer hardly knows: they would all look alike to the model.

        Args:
            texts: Any number; the first 256 are looked at.

        Raises:
            BackboneError: If nearly all of their tokens are the unknown token, or they have no tokens.
        """
        sample = [self._relevant(text) for text in texts[:_SAMPLE_TEXTS]]
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

    def _relevant(self, text: str) -> str:
        return relevant_characters(text, self.max_length, self.long_text, self.max_windows)

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
