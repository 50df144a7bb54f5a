"""What a build is to make: from what was asked for, and from the index that is there."""

from dataclasses import dataclass
from pathlib import Path

from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.language.sentences import DEFAULT_LANGUAGE
from trifold.documents.search.encoding import open_embedder
from trifold.documents.search.generation import Generation
from trifold.documents.search.records import IndexRecord, SplittingRecord
from trifold.documents.search.settings import IndexSettings
from trifold.events import say
from trifold.hashing import content_address
from trifold.models.settings import ComputeSettings

_MODEL, _OVERLAP = "minilm", 1


@dataclass(frozen=True)
class Plan:
    """What a build is to make.

    Attributes:
        model: What encodes, as it is recorded.
        embedder: The same, opened.
        encoder: Identity of what a vector depends on, fit for the name of a folder.
        splitting: How documents are cut.
        approximate: Whether to make an index for approximate search, if that was ever said; `None` otherwise.
        previous: The generation to go on from; `None` where everything is to be made.
        rebuilt: Why a generation that is there cannot be gone on from, in words; empty otherwise.
    """

    model: str
    embedder: TextEmbedder
    encoder: str
    splitting: SplittingRecord
    approximate: bool | None
    previous: Generation | None
    rebuilt: str


def plan_build(
    known: IndexRecord | None, previous: Generation | None, settings: IndexSettings, compute: ComputeSettings
) -> Plan:
    """Settle what is not given by the index that is there, or else by default.

    Args:
        known: What the index that is there is made of.
        previous: Its generation, where that is undamaged.
        settings: What is asked for.
        compute: Where the encoder computes.

    Raises:
        BackboneError: If there is no such model.
    """
    model = _recorded(settings.model) if settings.model is not None else known.model if known else _MODEL
    same_model = known is not None and model == known.model
    tokens = settings.passage_tokens or (known.splitting.passage_tokens if known and same_model else None)
    embedder = open_embedder(model, tokens, compute)
    overlap, language = settings.overlap_sentences, settings.language
    splitting = SplittingRecord(
        embedder.max_length,
        overlap if overlap is not None else known.splitting.overlap_sentences if known else _OVERLAP,
        language or (known.splitting.language if known else DEFAULT_LANGUAGE),
    )
    encoder = identity_of(embedder)
    reason = _what_changed(known, encoder, splitting) if known and previous else ""
    if reason:
        say(f"note: {reason}, so all documents are encoded again")
    approximate = settings.approximate
    if approximate is None and known:
        approximate = known.approximate_wanted
    return Plan(model, embedder, encoder, splitting, approximate, None if reason else previous, reason)


def identity_of(embedder: TextEmbedder) -> str:
    """What a vector depends on, as 32 hexadecimal digits."""
    return content_address({"encoder": embedder.identity})


def _recorded(model: str) -> str:
    """A folder by its absolute path: a query may be asked from anywhere."""
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _what_changed(known: IndexRecord, encoder: str, splitting: SplittingRecord) -> str:
    if known.splitting != splitting:
        return "passages are to be cut in another way"
    return "the model is another one than before" if known.encoder != encoder else ""
