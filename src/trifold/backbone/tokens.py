"""Texts to tokens, once: flat arrays instead of a list per text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifold.backbone.locate import BackboneFiles, read_config
from trifold.errors import BackboneError

if TYPE_CHECKING:
    import torch

# A token is rarely longer than this; a text is cut to so many characters per token before tokenising,
# so that a 1 MB text costs no more than a page. Texts cut so are counted as truncated like any other.
_CHARACTERS_PER_TOKEN = 40
_TEXTS_PER_CALL = 1_024


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts, end to end.

    Attributes:
        ids: `(total,)` int32, all texts' ids one after the other.
        offsets: `(texts + 1,)` int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        truncated: `(texts,)` bool, whether the text was longer than the maximum.
    """

    ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.truncated)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, `(texts,)` int64."""
        return np.diff(self.offsets)

    def batch(self, positions: np.ndarray, pad_id: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """Padded ids and attention mask of the texts at `positions`, both `(batch, longest)` int64."""
        import torch

        lengths = self.lengths[positions]
        ids = np.full((len(positions), int(lengths.max())), pad_id, dtype=np.int64)
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        ids[mask] = np.concatenate([self.ids[self.offsets[i] : self.offsets[i + 1]] for i in positions])
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


class Tokenizer:
    """A backbone's own fast tokenizer, with a maximum length.

    Args:
        files: The backbone.
        max_length: Tokens kept of each text, special tokens included.

    Raises:
        BackboneError: If the backbone has no fast tokenizer, or cannot read `max_length` tokens.
    """

    def __init__(self, files: BackboneFiles, max_length: int) -> None:
        from tokenizers import Tokenizer as FastTokenizer

        path = files.folder / "tokenizer.json"
        if not path.exists():
            raise BackboneError(f"{files.name} has no tokenizer.json: save it with its fast tokenizer")
        self.max_length = max_length
        self._tokenizer = FastTokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        config = read_config(files)
        places = config.get("max_position_embeddings")
        if isinstance(places, int) and max_length > places:
            raise BackboneError(f"{files.name} reads at most {places} tokens: use --max-length {places} or less")
        pad = config.get("pad_token_id")
        self.pad_id = pad if isinstance(pad, int) else 0

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Tokenise `texts` in parallel, in slices so that only the flat arrays grow with their number."""
        limit = self.max_length * _CHARACTERS_PER_TOKEN
        flat: list[np.ndarray] = []
        lengths: list[int] = []
        truncated: list[bool] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            slice_ = texts[start : start + _TEXTS_PER_CALL]
            encodings = self._tokenizer.encode_batch([text[:limit] for text in slice_])
            for text, encoding in zip(slice_, encodings, strict=True):
                flat.append(np.array(encoding.ids, dtype=np.int32))
                lengths.append(len(encoding.ids))
                truncated.append(bool(encoding.overflowing) or len(text) > limit)
        return Tokens(
            ids=np.concatenate(flat) if flat else np.zeros(0, dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            truncated=np.array(truncated, dtype=bool),
        )
