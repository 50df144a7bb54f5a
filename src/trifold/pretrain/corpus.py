"""The tokens of a corpus, kept in a memory-mapped file whose name is a hash of everything that determines it."""

import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.atomic import kept_folder
from trifold.cache_folder import CacheEntry, cache_folder, least_recently_used, read_npz
from trifold.errors import DataError, SettingsError
from trifold.events import say
from trifold.hashing import content_address
from trifold.json_reading import read_json
from trifold.pretrain.settings import CorpusSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import FEWEST_DOCUMENTS, Documents, Piece
from trifold.version import installed_versions

_PIECES_PER_CALL = 512
_SAY_SECONDS = 20.0
# At most a tenth of the text is held out, or a quarter if a tenth does not fill a block.
_HELD_OUT_PART, _HELD_OUT_PART_FOR_A_BLOCK = 10, 4
KEPT_BYTES = 20_000_000_000
# Version of the files' format.
_FORMAT = 2


@dataclass(frozen=True)
class Span:
    """Consecutive tokens of a corpus.

    Attributes:
        start: Position of the first token.
        end: Position after the last token.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Part:
    """The training or the validation part of a corpus.

    Attributes:
        spans: Its tokens, in order.
        seen_bytes: UTF-8 bytes of its text as the tokens represent it.
    """

    spans: tuple[Span, ...]
    seen_bytes: int

    @property
    def tokens(self) -> int:
        """Number of its tokens."""
        return sum(span.end - span.start for span in self.spans)


@dataclass(frozen=True)
class Corpus:
    """Tokenised text on disk.

    Attributes:
        tokens: `(tokens,)` int32, the memory-mapped ids. A token that continues a word is stored as its complement,
            `~id`.
        pieces: `(pieces + 1,)` int64, position of the first token of each piece of text.
        ends: `(pieces,)` bool, whether the document ends with the piece.
        piece_bytes: `(pieces,)` int64, UTF-8 bytes of each piece's text as the tokens represent it.
        facts: Counts of documents, tokens, unknown tokens, rows left out and documents excluded; and the address.
    """

    tokens: np.ndarray
    pieces: np.ndarray
    ends: np.ndarray
    piece_bytes: np.ndarray
    facts: dict[str, int | str]

    def split(self, settings: CorpusSettings) -> tuple[Part, Part]:
        """The training and the validation part.

        Whole documents are held out, chosen by a hash of their content, so that equal ones stay together. If there are
        few documents, the end of the text is held out instead. At most a tenth of the text is held out, or a quarter if
        a tenth does not fill a block.
        """
        whole, block = len(self.tokens), settings.block_size + settings.block_size // 8
        wanted = min(settings.validation_tokens, whole // _HELD_OUT_PART)
        wanted = max(wanted, min(block, whole // _HELD_OUT_PART_FOR_A_BLOCK))
        last = np.flatnonzero(self.ends)
        first = np.concatenate([[0], last[:-1] + 1])
        held = np.zeros(len(self.ends), dtype=bool)
        if len(last) >= FEWEST_DOCUMENTS:
            for document in self._chosen(self.pieces[first], self.pieces[last + 1], wanted):
                held[first[document] : last[document] + 1] = True
        if not held.any() and len(held) > 1:
            held[1:] = self.pieces[2:] > whole - wanted
        return self._part(~held), self._part(held)

    def _chosen(self, starts: np.ndarray, ends: np.ndarray, wanted: int) -> list[int]:
        """Documents to hold out: those with the lowest digests that together have about `wanted` tokens."""
        pairs = zip(starts, ends, strict=True)
        digests = [hashlib.blake2b(self.tokens[a:b].tobytes(), digest_size=8).digest() for a, b in pairs]
        chosen: list[int] = []
        found = 0
        by_digest = sorted(range(len(digests)), key=digests.__getitem__)
        for _, group in itertools.groupby(by_digest, key=digests.__getitem__):
            same = list(group)
            size = int(sum(ends[one] - starts[one] for one in same))
            if size <= wanted - found:
                chosen += same
                found += size
            if found >= 0.98 * wanted:
                break
        return chosen

    def _part(self, kept: np.ndarray) -> Part:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
        bounds = self.pieces[edges].reshape(-1, 2).tolist()
        return Part(tuple(Span(start, end) for start, end in bounds), int(self.piece_bytes[kept].sum()))


def open_corpus(documents: Documents, vocabulary: Vocabulary) -> Corpus:
    """The documents' tokens, from the cache or tokenised now.

    Raises:
        DataError: If the documents hold no text.
        SettingsError: If the disk cannot hold them.
    """
    framing = {
        "tokenizer": hashlib.sha256(vocabulary.tokenizer.to_str().encode()).hexdigest(),
        "frame": [vocabulary.before, vocabulary.after, vocabulary.mask_id is None],
    }
    address = {"version": _FORMAT, **installed_versions("tokenizers"), **documents.address(), **framing}
    folder = cache_folder() / "corpora" / content_address(address)
    if not (folder / "facts.json").exists():
        _write(documents, vocabulary, folder)
    else:
        say(f"the text was tokenised before: {folder}")
    return _open(folder)


@dataclass(frozen=True)
class KeptText:
    """Tokenised text on disk, for listing.

    Attributes:
        folder: Its folder.
        documents: Number of documents.
        tokens: Number of tokens.
        size_bytes: Size on disk.
        used: When it was last opened, in seconds since 1970.
    """

    folder: Path
    documents: int
    tokens: int
    size_bytes: int
    used: float


def list_texts() -> list[KeptText]:
    """All tokenised text in the cache, the most recently used first."""
    found = []
    for path in (cache_folder() / "corpora").glob("*/facts.json"):
        try:
            facts, used = read_json(path), path.stat().st_mtime
            size = sum(file.stat().st_size for file in path.parent.iterdir())
            found.append(KeptText(path.parent, facts["documents"], facts["tokens"], size, used))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda text: -text.used)


def _make_room(limit_bytes: int) -> None:
    """Remove the least recently used corpora until the others are within the limit; the latest, now in use, stays."""
    kept = [CacheEntry(text.folder, text.used, text.size_bytes) for text in list_texts()]
    for entry in least_recently_used(kept, max_bytes=limit_bytes, always_kept=1):
        shutil.rmtree(entry.path, ignore_errors=True)


def _open(folder: Path) -> Corpus:
    try:
        facts = read_json(folder / "facts.json")
        pieces = read_npz(folder / "pieces.npz")
        tokens = np.memmap(folder / "tokens.bin", dtype=np.int32, mode="r")
        if len(tokens) != facts["tokens"]:
            raise ValueError
        os.utime(folder / "facts.json")
        return Corpus(tokens, pieces["starts"], pieces["ends"], pieces["bytes"], facts)
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(f"the tokenised text in {folder} is damaged: remove that folder and run again") from None


def _write(documents: Documents, vocabulary: Vocabulary, folder: Path) -> None:
    try:
        with kept_folder(folder, "facts.json") as aside:
            if aside is None:
                return
            facts = _tokenise(documents, vocabulary, aside)
            facts["address"] = folder.name
            (aside / "facts.json").write_text(json.dumps(facts) + "\n")
        _make_room(KEPT_BYTES)
    except OSError as error:
        raise SettingsError(
            f"the tokenised text cannot be kept in {folder.parent} ({error.strerror}): "
            "free some room there, or name another folder in TRIFOLD_CACHE"
        ) from None


def _tokenise(documents: Documents, vocabulary: Vocabulary, folder: Path) -> dict[str, int | str]:
    starts, ends, sizes = [0], list[bool](), list[int]()
    unknown = vocabulary.tokenizer.token_to_id(getattr(vocabulary.tokenizer.model, "unk_token", None) or "")
    unknowns, said = 0, time.monotonic()
    pieces = documents.pieces()
    with (folder / "tokens.bin").open("wb") as file:
        begins = True
        while batch := list(itertools.islice(pieces, _PIECES_PER_CALL)):
            for piece, ids in zip(batch, _encode(batch, vocabulary), strict=True):
                unknowns += int((ids == unknown).sum()) if unknown is not None else 0
                framed = _framed(ids, vocabulary, begins=begins, ends=piece.ends)
                file.write(framed.tobytes())
                starts.append(starts[-1] + len(framed))
                ends.append(piece.ends)
                sizes.append(len(vocabulary.seen(piece.text).encode("utf-8", "replace")))
                begins = piece.ends
            if time.monotonic() - said > _SAY_SECONDS:
                said = time.monotonic()
                say(f"tokenising: {starts[-1]:,} tokens of {sum(ends):,} documents so far")
    if starts[-1] == 0:
        raise DataError(f"no text is left in {documents.files[0]}: every document is empty, unusable or excluded")
    np.savez(folder / "pieces.npz", starts=np.array(starts), ends=np.array(ends), bytes=np.array(sizes))
    return {
        "documents": sum(ends),
        "tokens": starts[-1],
        "unknown": unknowns,
        "left_out": documents.left_out,
        "excluded": documents.excluded,
    }


def _encode(pieces: Iterable[Piece], vocabulary: Vocabulary) -> Iterable[np.ndarray]:
    """Token ids of each piece; a token that continues the word of the token before it becomes `~id`."""
    for encoding in vocabulary.tokenizer.encode_batch([piece.text for piece in pieces], add_special_tokens=False):
        ids = np.array(encoding.ids, dtype=np.int32)
        words = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
        continues = np.zeros(len(ids), dtype=bool)
        continues[1:] = (words[1:] == words[:-1]) & (words[1:] >= 0)
        yield np.where(continues, ~ids, ids)


def _framed(ids: np.ndarray, vocabulary: Vocabulary, *, begins: bool, ends: bool) -> np.ndarray:
    """Add the special tokens at a document's ends.

    For an encoder only those at the end are added, since each block gets the others.
    """
    before = vocabulary.before if begins and vocabulary.mask_id is None else ()
    after = vocabulary.after if ends else ()
    return np.concatenate([np.array(before, np.int32), ids, np.array(after, np.int32)]).astype(np.int32)
