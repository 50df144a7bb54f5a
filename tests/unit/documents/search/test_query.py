"""Asking an index."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trifold.documents.search import query as query_module
from trifold.documents.search.approximate import ApproximateIndex
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.errors import ArtifactError, SettingsError
from trifold.events import say_once
from trifold.models.settings import ComputeSettings

ON_CPU = ComputeSettings(device="cpu", precision="float32")
WORDS = ("wonderful", "boring", "film", "plot", "cast", "score", "ending", "script", "story", "dialogue", "camera")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> SearchIndex:
    rng = np.random.default_rng(0)
    given = [
        {
            "text": f"The {' '.join(rng.choice(WORDS, 6))} number {number}",
            "year": 2000 + number % 10,
            "kind": "ab"[number % 2],
        }
        for number in range(3_000)
    ]
    settings = IndexSettings(model=str(tiny_model), approximate=True)
    return SearchIndex.build(given, tmp_path_factory.mktemp("indexes") / "index", settings, ON_CPU)


def test_the_approximate_index_finds_what_an_exact_scan_finds_as_often_as_it_says(index: SearchIndex) -> None:
    record = index.record.approximate
    assert record is not None
    assert record.recall >= 0.9
    queries = [f"The {' '.join(np.random.default_rng(n).choice(WORDS, 6))}" for n in range(100)]
    exact = index.search_all(queries, 10, approximate=False, hybrid=False)
    found = index.search_all(queries, 10, approximate=True, hybrid=False)
    scores = [{round(one.score, 4) for one in answers} for answers in exact]
    shares = [
        np.mean([round(one.score, 4) in known for one in answers]) for known, answers in zip(scores, found, strict=True)
    ]
    assert np.mean(shares) >= 0.9


def test_conditions_hold_for_every_answer_of_either_search(index: SearchIndex) -> None:
    for approximate in (True, False, None):
        found = index.search("a boring film", 20, where="year = 2003 and kind = 'b'", approximate=approximate)
        assert len(found) == 20
        assert all(one.document.metadata == {"year": 2003, "kind": "b"} for one in found)
    assert index.search("film", where="year > 2050") == []


def test_what_lies_outside_the_searched_cells_is_found_where_those_hold_too_little(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index._approximate, "probes", 1)
    assert len(index.search("a boring film", 2_900, approximate=True)) == 2_900
    vectors, allowed = index.vectors(["a boring film", "a wonderful plot"]), index.allowed("year = 2003 and kind = 'b'")
    found = index.hits(vectors, 400, allowed, approximate=True)
    assert [len(one) for one in found] == [300, 300]
    assert found == index.hits(vectors, 400, allowed, approximate=False)


def test_the_recall_that_is_told_is_not_that_of_the_passages_that_chose(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[int]] = []
    real = ApproximateIndex._recall_of

    def recorded(self: ApproximateIndex, passages: np.ndarray, alive: np.ndarray) -> Callable[[int], float]:
        asked.append(set(passages.tolist()))
        return real(self, passages, alive)

    monkeypatch.setattr(ApproximateIndex, "_recall_of", recorded)
    assert index._approximate is not None
    record = index._approximate.tune(index.owners >= 0)
    chose, others = asked
    assert not chose & others
    assert record == index.record.approximate
    assert record.queries == len(others) == len(chose) == 200


def test_that_queries_are_too_long_is_said_once(index: SearchIndex, capsys: pytest.CaptureFixture[str]) -> None:
    say_once.cache_clear()
    for _ in range(3):
        index.search("word " * 10_000, 1)
    assert capsys.readouterr().err.count("only the beginning is read") == 1


def test_an_exact_search_needs_no_faiss(index: SearchIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_module, "has_faiss", lambda: False)
    without = SearchIndex(index.folder, ON_CPU)
    assert without.search("a boring film", 1)[0].score == index.search("a boring film", 1, approximate=False)[0].score
    with pytest.raises(SettingsError, match="has no approximate index"):
        without.search("film", approximate=True)


def test_an_update_extends_the_approximate_index(index: SearchIndex, tmp_path: Path, tiny_model: Path) -> None:
    given = [f"The {' '.join(np.random.default_rng(n).choice(WORDS, 6))} {n}" for n in range(2_000)]
    folder = tmp_path / "index"
    SearchIndex.build(given, folder, IndexSettings(model=str(tiny_model), approximate=True), ON_CPU)
    updated = SearchIndex.build([*given[20:], "The superb film of an update"], folder, None, ON_CPU)
    assert updated.record.approximate is not None
    assert updated.record.approximate.recall >= 0.9
    assert (
        updated.search("The superb film of an update", 1, approximate=True)[0].passage == "The superb film of an update"
    )
    assert all(one.passage not in given[:20] for one in updated.search(given[3], 10, approximate=True))
    assert SearchIndex.build(given, folder, IndexSettings(approximate=False), ON_CPU).record.approximate is None


@pytest.mark.parametrize(
    "query", ["word " * 10_000, "🎬", "مرحبا بالعالم", "a\x00b", "\ud800", "'; drop table --", "film"]
)
def test_any_query_gets_answers(index: SearchIndex, query: str) -> None:
    assert len(index.search(query, 3)) == 3


@pytest.mark.parametrize("query", ["", "  \n", "\u200b"])
def test_a_query_of_nothing_is_refused(index: SearchIndex, query: str) -> None:
    with pytest.raises(SettingsError, match="the query is empty"):
        index.search(query)


def test_more_is_asked_for_than_there_is(index: SearchIndex, tmp_path: Path, tiny_model: Path) -> None:
    small = SearchIndex.build(["The film", "The plot"], tmp_path / "i", IndexSettings(model=str(tiny_model)), ON_CPU)
    assert [one.rank for one in small.search("film", 10)] == [1, 2]
    assert len(index.search("film", 2_900, approximate=False)) == 2_900


def test_threads_share_an_index(index: SearchIndex) -> None:
    expected = [one.document.id for one in index.search("a boring film", 5)]
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([one.document.id for one in index.search("a boring film", 5)]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_another_model_in_its_place_is_noticed(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "index"
    SearchIndex.build(["The film", "The plot"], folder, IndexSettings(model=str(tiny_model)), ON_CPU)
    with pytest.raises(ArtifactError, match="is not the model that"):
        SearchIndex(folder, ON_CPU, model="minilm").search("film")


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no index: make one with trifold search build"):
        SearchIndex(tmp_path)
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(SettingsError, match="first build is not finished"):
        SearchIndex(tmp_path)


def test_faiss_is_imported_where_it_is_needed_and_usearch_never(tmp_path: Path, tiny_model: Path) -> None:
    import subprocess

    code = (
        "import sys\nfrom trifold.documents.search.query import SearchIndex\n"
        "from trifold.documents.search.settings import IndexSettings\n"
        f"SearchIndex.build(['The film', 'The plot'], {str(tmp_path / 'i')!r}, IndexSettings(model={str(tiny_model)!r}))"
        ".search('film')\nsys.exit(bool({'faiss', 'usearch', 'sklearn'} & set(sys.modules)))"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
