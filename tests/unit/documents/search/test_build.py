"""Building an index, and bringing it up to date: what is encoded, what is kept, and what a reader sees meanwhile."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trifold.documents.document import Documents, given_documents
from trifold.documents.search import build as build_module
from trifold.documents.search import encoding
from trifold.documents.search.build import Built, build_index
from trifold.documents.search.generation import open_generation
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.documents.search.writing import verify, writing
from trifold.errors import ArtifactError, BackboneError, DataError, SettingsError
from trifold.models.settings import ComputeSettings

ON_CPU = ComputeSettings(device="cpu", precision="float32")
WORDS = ("wonderful", "boring", "film", "plot", "cast", "score", "ending", "script", "story", "dialogue", "camera")


def texts(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [f"The {' '.join(rng.choices(WORDS, k=5))} is number {number + 1000 * seed}." for number in range(count)]


def build(folder: Path, given: Sequence[Any], model: Path | None = None, **settings: Any) -> Built:
    asked = IndexSettings(model=None if model is None else str(model), **settings)
    return build_index(given_documents(given), folder, asked, ON_CPU)


def answers(folder: Path, query: str) -> list[str]:
    return [one.passage for one in SearchIndex(folder, ON_CPU).search(query, 3)]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_PASSAGES", 8)


def test_a_document_finds_itself(tmp_path: Path, tiny_model: Path) -> None:
    given = texts(40)
    built = build(tmp_path / "index", given, tiny_model)
    assert (built.documents, built.passages, built.encoded, built.unchanged) == (40, 40, 40, 0)
    index = SearchIndex(tmp_path / "index", ON_CPU)
    for number in (0, 17, 39):
        first = index.search(given[number], 1, hybrid=False)[0]
        assert (first.passage, first.document.id, first.document.row) == (given[number], str(number + 1), number + 1)
        assert first.score == pytest.approx(1, abs=1e-3)


def test_only_new_and_changed_documents_are_encoded(tmp_path: Path, tiny_model: Path) -> None:
    given = texts(60)
    build(tmp_path / "index", given, tiny_model)
    changed = [*given[10:30], "The film is superb.", *given[30:], given[20]]
    built = build(tmp_path / "index", changed)
    assert (built.documents, built.unchanged, built.encoded, built.encoded_passages, built.removed) == (
        52,
        50,
        2,
        2,
        10,
    )
    fresh = build(tmp_path / "fresh", changed, tiny_model)
    assert fresh.encoded == 52
    for query in ("film", given[0], given[20]):
        # What is gone is not found, and all else as in an index made at once.
        assert answers(tmp_path / "index", query) == answers(tmp_path / "fresh", query)
    again = build(tmp_path / "index", changed)
    assert (again.encoded, again.unchanged, again.removed) == (0, 52, 0)


def test_a_hundred_updates_leave_a_folder_that_is_hardly_larger(tmp_path: Path, tiny_model: Path) -> None:
    given, rng = texts(200), random.Random(1)
    build(tmp_path / "index", given, tiny_model)
    for number in range(100):
        for place in rng.sample(range(200), 2):
            given[place] = f"The {rng.choice(WORDS)} of update {number} at {place}."
        built = build(tmp_path / "index", given)
        assert (built.encoded, built.unchanged, built.passages) == (2, 198, 200)
    build(tmp_path / "fresh", given, tiny_model)
    sizes = {name: sum(one.stat().st_size for one in (tmp_path / name).rglob("*.*")) for name in ("index", "fresh")}
    assert sizes["index"] <= 1.2 * sizes["fresh"]
    generation = open_generation(tmp_path / "index")
    verify(tmp_path / "index", generation)
    assert len(generation.record.segments) <= 17
    for query in rng.sample(given, 5):
        assert answers(tmp_path / "index", query) == answers(tmp_path / "fresh", query)


def test_segments_that_only_grow_are_merged_but_for_the_largest(tmp_path: Path, tiny_model: Path) -> None:
    given = texts(40)
    build(tmp_path / "index", given, tiny_model)
    for number in range(20):
        given.append(f"The film of update {number}.")
        build(tmp_path / "index", given)
    record = open_generation(tmp_path / "index").record
    assert len(record.segments) <= 16
    assert record.segments[0].passages == 40
    assert answers(tmp_path / "index", given[-1])[0] == given[-1]
    assert answers(tmp_path / "index", given[3])[0] == given[3]


@pytest.mark.usefixtures("small_pieces")
def test_a_build_that_is_stopped_goes_on_and_the_index_answers_meanwhile(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "index", texts(20), tiny_model)
    new, encode = texts(60, seed=1), encoding.TextEmbedder.encode_document
    calls = 0

    def stopped(self: Any, given: Sequence[str]) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return encode(self, given)

    monkeypatch.setattr(encoding.TextEmbedder, "encode_document", stopped)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "index", new)
    assert answers(tmp_path / "index", texts(20)[5])[0] == texts(20)[5]
    monkeypatch.setattr(encoding.TextEmbedder, "encode_document", encode)
    built = build(tmp_path / "index", new)
    assert (built.encoded, built.recovered_passages, built.encoded_passages) == (60, 24, 36)
    assert answers(tmp_path / "index", new[30])[0] == new[30]
    assert not (tmp_path / "index" / "unfinished").exists()
    assert len(list((tmp_path / "index" / "segments").iterdir())) == 2 * len(
        open_generation(tmp_path / "index").record.segments
    )


@pytest.mark.usefixtures("small_pieces")
def test_what_is_added_or_left_need_not_have_words_that_the_model_knows(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emoji = [f"{sign}{sign}" for sign in "🎬🎭🎥🎞🍿📽🎟🎫"]
    with pytest.raises(BackboneError, match="give a model for their language"):
        build(tmp_path / "index", emoji, tiny_model)
    build(tmp_path / "index", texts(8), tiny_model)
    assert build(tmp_path / "index", [*texts(8), emoji[0]]).encoded_passages == 1
    with pytest.raises(BackboneError, match="give a model for their language"):
        build(tmp_path / "index", emoji, passage_tokens=40)
    encode = encoding.TextEmbedder.encode_document

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def once(self: Any, given: Sequence[str]) -> np.ndarray:
        patch.setattr(encoding.TextEmbedder, "encode_document", stop)
        return encode(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(encoding.TextEmbedder, "encode_document", once)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "stopped", [*texts(8), *emoji], tiny_model)
    built = build(tmp_path / "stopped", [*texts(8), *emoji], tiny_model)
    assert (built.recovered_passages, built.encoded_passages) == (8, 8)


@pytest.mark.usefixtures("small_pieces")
def test_equal_passages_are_encoded_once_however_far_apart_they_stand(tmp_path: Path, tiny_model: Path) -> None:
    given = [*texts(20), *texts(20)]
    built = build(tmp_path / "index", given, tiny_model)
    assert (built.passages, built.encoded_passages, built.recovered_passages) == (40, 20, 0)
    assert {one.document.id for one in SearchIndex(tmp_path / "index", ON_CPU).search(given[3], 2)} == {"4", "24"}


def test_a_reader_goes_on_with_what_it_opened(tmp_path: Path, tiny_model: Path) -> None:
    old, new = texts(30), texts(30, seed=1)
    build(tmp_path / "index", old, tiny_model)
    reader = SearchIndex(tmp_path / "index", ON_CPU)
    build(tmp_path / "index", new)
    assert reader.search(old[4], 1)[0].passage == old[4]
    assert answers(tmp_path / "index", new[4])[0] == new[4]


def test_another_model_and_other_passages_mean_a_whole_rebuild_which_is_said(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = texts(10)
    build(tmp_path / "index", given, tiny_model)
    built = build(tmp_path / "index", given, passage_tokens=40)
    assert (built.encoded, built.unchanged) == (10, 0)
    assert "passages are to be cut in another way, so all documents are encoded again" in capsys.readouterr().err
    assert build(tmp_path / "index", given).unchanged == 10
    built = build(tmp_path / "index", given, Path("minilm"), passage_tokens=40)
    assert (built.encoded, built.rebuilt) == (10, "the model is another one than before")


def test_a_second_writer_is_told_and_nothing_of_the_first_is_touched(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.file_lock._WAIT_SECONDS", 0.1)
    build(tmp_path / "index", texts(5), tiny_model)
    with writing(tmp_path / "index"), pytest.raises(SettingsError, match=r"is being written by process \d+"):
        build(tmp_path / "index", texts(5))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(SettingsError, match=r"holds something else \(letter.txt\): name another --index"):
        build(tmp_path / "mine", texts(5), tiny_model)
    with pytest.raises(SettingsError, match="is a file: name a folder"):
        build(tmp_path / "mine" / "letter.txt", texts(5), tiny_model)
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_nothing_usable_leaves_the_index_as_it_was(tmp_path: Path, tiny_model: Path) -> None:
    build(tmp_path / "index", texts(5), tiny_model)
    with pytest.raises(DataError, match=r"no document of texts in memory can be used \(the text is empty"):
        build(tmp_path / "index", ["", "  "])
    assert answers(tmp_path / "index", texts(5)[2])[0] == texts(5)[2]
    built = build(tmp_path / "index", ["", *texts(5)])
    assert (built.bad, built.unchanged) == (((1, "the text is empty"),), 5)


@pytest.mark.parametrize("name", ["current.json", "generations/*/owners.npy", "segments/*.npy", "segments/*.arrow"])
def test_a_damaged_index_says_so_and_is_built_anew(
    tmp_path: Path, tiny_model: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    build(folder, texts(12), tiny_model)
    damaged = next(folder.glob(name))
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(ArtifactError):
        SearchIndex(folder, ON_CPU)
    built = build(folder, texts(12), tiny_model)
    assert built.encoded == 12
    assert "the index is built anew" in capsys.readouterr().err
    assert answers(folder, texts(12)[3])[0] == texts(12)[3]


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("segments/*.npy", 12),
        ("segments/*.arrow", 12),
        ("generations/*/owners.npy", 12),
        ("generations/*/digests.npy", 12),
        ("generations/*/index.json", 12),
        ("generations/*/approximate.faiss", 0),
        ("generations/*/documents.parquet", 0),
    ],
)
def test_a_changed_byte_is_found_by_looking_at_all_and_gone_once_the_index_is_built_again(
    tmp_path: Path, tiny_model: Path, name: str, encoded: int
) -> None:
    folder = tmp_path / "index"
    build(folder, texts(12), tiny_model, approximate=True)
    verify(folder, open_generation(folder))
    file = next(folder.glob(name))
    content = bytearray(file.read_bytes())
    # Where each file can be opened as before: in a text of the record, and behind the header of an array.
    places = {".json": content.find(b"texts in memory"), ".npy": len(content) - 4}
    content[places.get(file.suffix, len(content) // 2)] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="its content is not what was written"):
        verify(folder, open_generation(folder))
    # Without its record, nothing tells which model the index was made with.
    built = build(folder, texts(12), tiny_model if name.endswith(".json") else None)
    assert (built.encoded, built.passages) == (encoded, 12)
    generation = open_generation(folder)
    verify(folder, generation)
    assert generation.record.model == str(tiny_model)
    assert answers(folder, texts(12)[3])[0] == texts(12)[3]


@pytest.mark.parametrize("name", ["digests.npy", "approximate.faiss"])
def test_a_file_that_only_builds_read_is_made_anew_where_it_is_missing(
    tmp_path: Path, tiny_model: Path, name: str
) -> None:
    build(tmp_path / "index", texts(12), tiny_model, approximate=True)
    next((tmp_path / "index").glob(f"generations/*/{name}")).unlink()
    build(tmp_path / "index", texts(12))
    verify(tmp_path / "index", open_generation(tmp_path / "index"))


def test_what_was_said_of_approximate_search_holds_until_something_else_is(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, given = tmp_path / "index", texts(12)
    monkeypatch.setattr(build_module, "APPROXIMATE_FROM", 5)
    assert build(folder, given, tiny_model, approximate=False).approximate is None
    assert build(folder, given[1:]).approximate is None
    assert build(folder, given, passage_tokens=40).approximate is None
    assert build(folder, given, approximate=True).approximate is not None
    assert build(folder, given[:3]).approximate is not None


def test_long_documents_are_found_by_their_passages(tmp_path: Path, tiny_model: Path) -> None:
    long = " ".join(["The plot is dull in number 1."] * 20 + ["The camera is superb."] + ["The plot is dull."] * 20)
    built = build(tmp_path / "index", [long, *texts(10)], tiny_model, passage_tokens=20, overlap_sentences=0)
    assert (built.documents, built.passages > 20) == (11, True)
    found = SearchIndex(tmp_path / "index", ON_CPU).search("The plot is dull.", 3)
    assert len({one.document.id for one in found}) == 3
    first = next(one for one in found if one.document.id == "1")
    assert long[first.start : first.end] == first.passage


def test_metadata_come_back_with_their_types(tmp_path: Path, tiny_model: Path) -> None:
    given = [{"text": text, "id": f"doc-{n}", "year": 2000 + n, "tags": ["a", "b"]} for n, text in enumerate(texts(9))]
    build(tmp_path / "index", given, tiny_model)
    found = SearchIndex(tmp_path / "index", ON_CPU).search("film", 3, where="year >= 2006 and id != 'doc-7'")
    assert {one.document.id for one in found} == {"doc-6", "doc-8"}
    assert found[0].document.metadata["tags"] == ["a", "b"]
    with pytest.raises(DataError, match="which an index adds: rename it"):
        build(tmp_path / "other", [{"text": "The film", "@id": "1"}], tiny_model)


def test_documents_read_from_a_generator_of_rows_are_read_once(tmp_path: Path, tiny_model: Path) -> None:
    given = given_documents(texts(5))
    reads = 0

    def read() -> Any:
        nonlocal reads
        reads += 1
        return given.read()

    build_index(Documents("texts", read), tmp_path / "index", IndexSettings(model=str(tiny_model)), ON_CPU)
    assert reads == 1


def test_a_share_of_dead_passages_is_what_decides(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "_DEAD_SHARE", 0.5)
    build(tmp_path / "index", texts(10), tiny_model)
    build(tmp_path / "index", texts(6))
    record = open_generation(tmp_path / "index").record
    assert (record.passages, record.positions) == (6, 10)
    build(tmp_path / "index", texts(4))
    record = open_generation(tmp_path / "index").record
    assert (record.passages, record.positions) == (4, 4)
