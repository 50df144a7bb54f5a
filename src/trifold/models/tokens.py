"""Token ids of many texts in flat arrays, and batches of them as models take them."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from trifold.hashing import short_digest
from trifold.models.batching import PadTo, padded_length, to_longest

if TYPE_CHECKING:
    import torch

# What models of transformers call the arrays of `Tokens.padded`, in that order.
MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_Array = TypeVar("_Array")


def named_inputs(arrays: Iterable[_Array]) -> dict[str, _Array]:
    """The arrays of `Tokens.padded`, two or three, by the names that models of transformers give them."""
    return dict(zip(MODEL_INPUTS, arrays, strict=False))


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts in one array.

    Attributes:
        ids: `(total,)` int32, the ids of all texts one after the other.
        offsets: `(texts + 1,)` int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        truncated: `(texts,)` bool, whether a text was too long to be read whole.
        windows: `(texts,)` int64, in how many windows a text is read. Its ids are those of its windows one after the
            other, all of one length, each with special tokens of its own. `None` where every text is one window.
        types: `(total,)` int8, the token type of each id, which tells the texts of a pair apart; `None` where the texts
            are no pairs, or the backbone knows no types.
        padded_to: Tokens that every window is padded to; as the padding rule says where `None`.
    """

    ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray
    windows: np.ndarray | None = None
    types: np.ndarray | None = None
    padded_to: int | None = None

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
        types = None if self.types is None else self._of(positions, self.types)
        return Tokens.of(self._of(positions, self.ids), self.truncated[positions], self.windows_of(positions), types)

    @classmethod
    def of(
        cls,
        ids: Sequence[np.ndarray],
        truncated: Sequence[bool],
        windows: Sequence[int] | np.ndarray | None = None,
        types: Sequence[np.ndarray] | None = None,
    ) -> "Tokens":
        """From the ids of each text, whether it was truncated, how many windows it has, and its token types."""
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids])]).astype(np.int64)
        flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32)
        counts = None if windows is None else np.array(windows, dtype=np.int64)
        several = counts is not None and bool((counts > 1).any())
        of_types = np.concatenate(types) if types else None
        return cls(flat, offsets, np.array(truncated, dtype=bool), counts if several else None, of_types)

    def each(self) -> list[np.ndarray]:
        """The ids of each text."""
        return [self.ids[start:end] for start, end in itertools.pairwise(self.offsets)]

    @cached_property
    def digests(self) -> list[bytes]:
        """A digest of 16 bytes of each text's tokens, and of the windows that they are in, or their types."""
        if self.types is not None:
            parts = zip(self.each(), self._of(range(len(self)), self.types), strict=True)
            return [short_digest(ids.tobytes() + types.tobytes()) for ids, types in parts]
        if self.windows is None:
            return [short_digest(part.tobytes()) for part in self.each()]
        windows = [b"" if count == 1 else b"windows %d" % count for count in self.windows]
        return [short_digest(part.tobytes() + count) for part, count in zip(self.each(), windows, strict=True)]

    def padded(self, positions: np.ndarray, pad_id: int, pad_to: PadTo = to_longest) -> tuple[np.ndarray, ...]:
        """Padded ids, attention mask and, where there are any, token types of the texts at `positions`.

        A text has one row, or where texts are read in windows a row for each, one after the other.

        Args:
            positions: Positions of the texts, `(batch,)`.
            pad_id: The id that shorter windows are padded with.
            pad_to: The padding rule; nothing is padded beyond the longest window of all texts.

        Returns:
            Two arrays, or three, `(windows, longest)` int64 each; padding has type 0, as from transformers' tokenizers.
        """
        lengths = self.window_lengths(positions)
        longest = self.padded_to or padded_length(lengths, pad_to, self._longest)
        ids = np.full((len(lengths), longest), pad_id, dtype=np.int64)
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
