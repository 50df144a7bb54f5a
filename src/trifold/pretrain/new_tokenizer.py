"""A new tokenizer, trained on the text by the tokenizers library and kept for the next run on the same text."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trifold.atomic import kept_folder
from trifold.cache_folder import cache_folder
from trifold.errors import DataError
from trifold.events import say
from trifold.pretrain.settings import ScratchSettings
from trifold.pretrain.text_files import Documents

MASKED_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
END_OF_TEXT = "<|endoftext|>"
# Rare signs beyond these become [UNK] in WordPiece; the bytes of BPE know none.
_ALPHABET = 1_000
# A vocabulary hardly changes with more text than this, and training one takes memory.
_MOST_CHARACTERS = 200_000_000


def new_tokenizer(documents: Documents, algorithm: str, settings: ScratchSettings) -> Path:
    """A folder with a tokenizer trained on the documents.

    Source: Devlin et al. 2019 for WordPiece as BERT has it, Radford et al. 2019 for byte-level BPE.

    Raises:
        DataError: If the text does not hold so many different pieces.
    """
    asked = {
        "text": documents.address(),
        "algorithm": algorithm,
        "vocab_size": settings.vocab_size,
        "lowercase": settings.lowercase,
    }
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_folder() / "vocabularies" / name
    if not (folder / "tokenizer.json").exists():
        say(f"training a {algorithm} tokenizer of {settings.vocab_size:,} pieces")
        train = _train_wordpiece if algorithm == "wordpiece" else _train_bpe
        tokenizer = train(_texts(documents), settings)
        _require_size(tokenizer.get_vocab_size(), settings.vocab_size)
        _keep(tokenizer, algorithm, folder)
    return folder


def _texts(documents: Documents) -> Iterator[str]:
    left = _MOST_CHARACTERS
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
    """Write it as transformers reads it, whole or not at all."""
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
