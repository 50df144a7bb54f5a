"""A new tokenizer, trained on the text by the tokenizers library and kept for the next run on the same text."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from trifold.atomic import kept_folder
from trifold.cache_folder import CacheEntry, cache_folder, least_recently_used
from trifold.errors import DataError
from trifold.events import say
from trifold.hashing import content_address
from trifold.pretrain.settings import ScratchSettings
from trifold.pretrain.text_files import Documents
from trifold.version import installed_versions

MASKED_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
END_OF_TEXT = "<|endoftext|>"
# Characters that WordPiece learns; rarer ones become [UNK]. BPE works on bytes and needs no such limit.
_ALPHABET = 1_000
# A vocabulary hardly changes with more text than this, and training one takes memory.
_MAX_CHARACTERS = 200_000_000
# Version of what is kept; tokenizers kept for later runs, the most recently used ones.
_FORMAT, MAX_KEPT = 1, 16


def new_tokenizer(documents: Documents, algorithm: str, settings: ScratchSettings) -> Path:
    """A folder with a tokenizer trained on the documents, from the cache if it was trained before.

    Source: Devlin et al. 2019 for WordPiece as BERT has it, Radford et al. 2019 for byte-level BPE.

    Raises:
        DataError: If the text is too small for a vocabulary of `settings.vocab_size`.
    """
    asked = {
        "text": documents.address(),
        "algorithm": algorithm,
        "vocab_size": settings.vocab_size,
        "lowercase": settings.lowercase,
        "format": _FORMAT,
        **installed_versions("tokenizers"),
    }
    folder = cache_folder() / "vocabularies" / content_address(asked)
    if not (folder / "tokenizer.json").exists():
        say(f"training a {algorithm} tokenizer of {settings.vocab_size:,} pieces")
        train = _train_wordpiece if algorithm == "wordpiece" else _train_bpe
        tokenizer = train(_texts(documents), settings)
        _require_size(tokenizer.get_vocab_size(), settings.vocab_size)
        _keep(tokenizer, algorithm, folder)
    with suppress(OSError):
        os.utime(folder / "tokenizer.json")
    _remove_old(folder.parent)
    return folder


def _texts(documents: Documents) -> Iterator[str]:
    left = _MAX_CHARACTERS
    for piece in documents.pieces():
        left -= len(piece.text)
        if left < 0:
            return
        yield piece.text


def _train_wordpiece(texts: Iterable[str], settings: ScratchSettings) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=list(MASKED_SPECIALS),
        limit_alphabet=min(_ALPHABET, settings.vocab_size // 2),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    first, last = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", first), ("[SEP]", last)]
    )
    return tokenizer


def _train_bpe(texts: Iterable[str], settings: ScratchSettings) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=[END_OF_TEXT, "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def _require_size(found: int, asked: int) -> None:
    if found < asked:
        raise DataError(
            f"the text allows a vocabulary of {found:,} pieces and no more, and --vocab-size asks for {asked:,}: "
            f"give --vocab-size {found} or less, or more text"
        )


def _keep(tokenizer: Any, algorithm: str, folder: Path) -> None:
    """Write the tokenizer in the form that transformers reads, complete or not at all."""
    from transformers import PreTrainedTokenizerFast

    if algorithm == "wordpiece":
        names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        special = dict(zip(names, MASKED_SPECIALS, strict=True))
    else:
        ends = ("bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token")
        special = {**dict.fromkeys(ends, END_OF_TEXT), "mask_token": "<mask>"}
    with kept_folder(folder, "tokenizer.json") as aside:
        if aside:
            PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(aside)


def _remove_old(folder: Path) -> None:
    kept = [CacheEntry(path.parent, path.stat().st_mtime, 0) for path in folder.glob("*/tokenizer.json")]
    for entry in least_recently_used(kept, max_count=MAX_KEPT):
        shutil.rmtree(entry.path, ignore_errors=True)
