"""Build an index of documents, or bring it up to date: only what is new or changed is encoded.

A build writes segments and a generation that nobody reads yet, and names the generation in `current.json` last. So the
index that was there answers until then, and whatever ends a build early costs nothing but the encoding of its last few
passages: vectors are kept in a journal, by a digest of their text.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from trifold.atomic import write_json
from trifold.documents.document import Documents
from trifold.documents.search.approximate import NEEDS_FAISS, ApproximateIndex, has_faiss
from trifold.documents.search.generation import APPROXIMATE, DIGESTS, KEYWORDS, OWNERS, SEGMENTS, Generation
from trifold.documents.search.journal import Journal
from trifold.documents.search.keywords import build_keywords
from trifold.documents.search.planning import Plan, plan_build
from trifold.documents.search.reading import Placed, place_documents
from trifold.documents.search.records import FORMAT, INDEX, ApproximateRecord, IndexRecord, SegmentRecord
from trifold.documents.search.segments import Segments, merge
from trifold.documents.search.settings import APPROXIMATE_FROM, IndexSettings
from trifold.documents.search.words import NEEDS_SEARCH, has_keywords
from trifold.documents.search.writing import IndexFolder, file_of, verify, writing
from trifold.errors import ArtifactError, require
from trifold.events import say, say_detail
from trifold.formatting import counted
from trifold.hashing import file_sha256
from trifold.models.settings import ComputeSettings

# Share of the passages that no document has any more, and number of segments, above which segments are written anew.
_DEAD_SHARE, _MOST_SEGMENTS = 0.1, 16


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        documents: Documents of the index.
        passages: Their passages.
        unchanged: Documents whose text was in the index already.
        encoded: The others: new ones, and those with another text than before.
        removed: Documents of the index before whose text is gone.
        encoded_passages: Passages that went through the model, those of the same text once.
        recovered_passages: Passages that a build which did not finish had encoded.
        bad: Line and reason of each document that cannot be used.
        rebuilt: Why nothing of the index that was there could be used; empty where that is not so.
        approximate: The index for approximate search, where there is one.
    """

    documents: int
    passages: int
    unchanged: int
    encoded: int
    removed: int
    encoded_passages: int
    recovered_passages: int
    bad: tuple[tuple[int, str], ...]
    rebuilt: str = ""
    approximate: ApproximateRecord | None = None


def build_index(documents: Documents, folder: Path, settings: IndexSettings, compute: ComputeSettings) -> Built:
    """Make the index in a folder hold these documents and no others.

    Args:
        documents: All of them.
        folder: A new one, or one with an index, which answers as before until this one is finished.
        settings: What is not given is as in the index that is there, also where that is damaged.
        compute: Where the encoder computes.

    Raises:
        DataError: If no document can be used, or two have one name.
        SettingsError: If another process writes the index, or the folder holds something else.
        BackboneError: If there is no such model.
        ArtifactError: If what was written cannot be read again.
    """
    require(settings.approximate is not True or has_faiss(), "--approximate", NEEDS_FAISS)
    with writing(folder) as place:
        plan = plan_build(place.known, place.previous, settings, compute)
        with place.new_generation() as aside:
            journal = Journal(place.unfinished, plan.encoder, plan.embedder.width)
            try:
                placed = place_documents(documents, plan, place, aside, journal)
            finally:
                journal.close()
            segments, owners = _compacted(place, placed, plan.embedder.width)
            np.save(aside / OWNERS, owners)
            np.save(aside / DIGESTS, placed.digests)
            record = IndexRecord(
                FORMAT,
                f"{datetime.now():%Y-%m-%d %H:%M:%S}",
                documents.source,
                plan.model,
                plan.encoder,
                plan.embedder.width,
                plan.splitting,
                len(placed.digests),
                int((owners >= 0).sum()),
                segments,
                {},
                documents.text_column,
                settings.id_column,
                approximate_wanted=plan.approximate,
            )
            write_json(aside / INDEX, record.as_json())
            approximate = _add_approximate(place, aside, plan)
            record = record.but(approximate=approximate, keywords=_add_keywords(place, aside, plan))
            _seal(place, aside, record)
            place.publish(aside)
    return Built(
        record.documents,
        record.passages,
        placed.unchanged,
        record.documents - placed.unchanged,
        (plan.previous.record.documents - placed.unchanged) if plan.previous else 0,
        placed.encoded_passages,
        placed.recovered_passages,
        placed.bad,
        plan.rebuilt,
        record.approximate,
    )


def _compacted(place: IndexFolder, placed: Placed, width: int) -> tuple[list[SegmentRecord], np.ndarray]:
    """The segments and the owners of their passages; written anew without dead passages where those are too many.

    Where there are too many segments, all but the largest become one.
    """
    segments, owners = placed.segments, placed.owners
    dead = int((owners < 0).sum())
    kept = max(segments, key=lambda one: one.passages) if len(segments) > _MOST_SEGMENTS else None
    if dead > _DEAD_SHARE * len(owners):
        kept = None
    elif kept is None:
        return segments, owners
    starts = dict(
        zip((one.name for one in segments), np.cumsum([0, *(one.passages for one in segments)]), strict=False)
    )
    of_kept = np.arange(starts[kept.name], starts[kept.name] + kept.passages) if kept else np.zeros(0, dtype=np.int64)
    moved = np.setdiff1d(np.flatnonzero(owners >= 0), of_kept)
    say_detail(f"{counted(len(moved), 'passage')} of {counted(len(segments), 'segment')} are written anew")
    merged = merge(Segments(place.segments, segments, width), moved, place.segments, f"{place.name}-merged")
    return [*([kept] if kept else []), merged], np.concatenate([owners[of_kept], owners[moved]])


def _add_keywords(place: IndexFolder, aside: Path, plan: Plan) -> bool:
    """Make the index of keywords, always of all passages; whether there is one."""
    if not has_keywords():
        say(f"note: {NEEDS_SEARCH}; until then documents are found by their vectors alone")
        return False
    (aside / KEYWORDS).mkdir()
    build_keywords(place.open_aside(aside).texts(), aside / KEYWORDS, plan.splitting.language)
    return True


def _add_approximate(place: IndexFolder, aside: Path, plan: Plan) -> ApproximateRecord | None:
    """Make the index for approximate search, where it is wanted or worth it; that of before is extended."""
    generation, wanted = place.open_aside(aside), plan.approximate
    known = plan.previous.record.approximate if plan.previous else None
    if wanted is False or (wanted is None and known is None and generation.record.passages < APPROXIMATE_FROM):
        return None
    if not _has_faiss():
        return None
    index = _extended(place, plan.previous, generation) if plan.previous else None
    index = index or ApproximateIndex.train(generation.segments, generation.alive)
    index.write(aside / APPROXIMATE)
    return index.tune(generation.alive)


def _extended(place: IndexFolder, previous: Generation, generation: Generation) -> ApproximateIndex | None:
    """That of the generation before with the vectors that came since; `None` if it has none that goes on, undamaged."""
    known, segments = previous.record.approximate, previous.record.segments
    if known is None or generation.record.segments[: len(segments)] != segments:
        return None
    try:
        verify(place.folder, previous, [APPROXIMATE])
        index = ApproximateIndex.read(previous.path / APPROXIMATE, generation.segments, known)
    except ArtifactError as error:
        say(f"note: {str(error).rpartition(': ')[0]}: it is made anew")
        return None
    index.extend()
    return index


def _has_faiss() -> bool:
    if has_faiss():
        return True
    say(f"note: {NEEDS_FAISS}; until then all passages are looked at")
    return False


def _seal(place: IndexFolder, aside: Path, record: IndexRecord) -> None:
    """Write the record with the hash of every file; those of segments that were there are known."""
    known = place.hashes
    names = [f"{SEGMENTS}/{one.name}{ending}" for one in record.segments for ending in (".npy", ".arrow")]
    names += [
        str(path.relative_to(aside)) for path in sorted(aside.rglob("*")) if path.is_file() and path.name != INDEX
    ]
    generation = place.open_aside(aside)
    hashes = {name: known.get(name) or file_sha256(file_of(place.folder, generation, name)) for name in names}
    write_json(aside / INDEX, record.but(sha256=hashes).as_json())
