from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from trifold.documents.search.document_passages import DocumentPassages
from trifold.documents.search.hybrid import ranked_hits
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.errors import SettingsError
from trifold.models.settings import ComputeSettings
from trifold.types import TextPair

ON_CPU = ComputeSettings(device="cpu")
TEXTS = [f"The film is number {number} in the story. The cast is superb." for number in range(30)]


def built(folder: Path, model: Path, texts: list[str]) -> SearchIndex:
    return SearchIndex.build(texts, folder, IndexSettings(model=str(model), passage_tokens=24), ON_CPU)


def test_a_document_that_shares_a_rare_word_comes_first(tmp_path: Path, tiny_model: Path) -> None:
    index = built(tmp_path / "index", tiny_model, [*TEXTS, "A plot of zebras. " + TEXTS[0]])
    first, second = index.search("zebra", 2)
    assert first.document.id == "31"
    assert 1 >= first.score > second.score > 0
    assert next(one.document.id for one in index.search("zebra", 3, hybrid=True)) == "31"


def test_keywords_of_whole_documents_stay_right_over_updates_and_conditions(tmp_path: Path, tiny_model: Path) -> None:
    given = [{"text": text, "kind": "ab"[number % 2]} for number, text in enumerate([*TEXTS, "Zebra.", "Zebra too."])]
    settings = IndexSettings(model=str(tiny_model), passage_tokens=24)
    SearchIndex.build(given, tmp_path / "index", settings, ON_CPU)
    index = SearchIndex.build(given[::-1][:-5], tmp_path / "index", settings, ON_CPU)
    assert {one.document.id for one in index.search("zebra", 2)} == {"1", "2"}
    assert index.search("zebra", 1, where="kind = 'a'")[0].passage == "Zebra."
    assert len(index.search("zebra", 50, where="kind = 'b'")) == 14


@pytest.mark.parametrize("query", ["the of and", "?!", "😀", "信息检索", "כתב עברי", "robot " * 10_000])
def test_what_keywords_cannot_find_vectors_still_answer(tmp_path: Path, tiny_model: Path, query: str) -> None:
    index = built(tmp_path / "index", tiny_model, TEXTS)
    assert len(index.search(query, 5)) == 5


@pytest.mark.parametrize("top_k", [3, 50, 70])
def test_fifty_documents_are_reranked_however_many_are_wanted(tmp_path: Path, tiny_model: Path, top_k: int) -> None:
    read: list[list[TextPair]] = []

    def latest_first(pairs: Sequence[TextPair]) -> np.ndarray:
        read.append(list(pairs))
        return np.arange(len(pairs)) / 100

    texts = [f"The film is number {number} in the story." for number in range(80)]
    index = built(tmp_path / "index", tiny_model, texts)
    before = [hit.document for hit in ranked_hits(index, ["film"], 80, None)[0]]
    after = [hit.document for hit in ranked_hits(index, ["film"], top_k, None, reranker=latest_first)[0]]
    assert [len(pairs) for pairs in read] == [50]
    assert after == [*before[:50][::-1], *before[50:]][:top_k]


def test_an_index_without_keywords_answers_by_vectors_and_says_so(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trifold.documents.search.build.has_keywords", lambda: False)
    index = built(tmp_path / "index", tiny_model, TEXTS)
    assert "pip install 'trifold[search]'; until then documents are found by their vectors alone" in (
        capsys.readouterr().err
    )
    assert len(index.search("film", 3)) == 3
    with pytest.raises(SettingsError, match="has no index of keywords"):
        index.search("film", hybrid=True)


def test_passages_of_a_document_lie_side_by_side() -> None:
    runs = DocumentPassages(np.array([-1, 2, 2, -1, 2, 0, 1, 1]))
    assert runs.documents.tolist() == [2, 0, 1]
    assert [runs.of(number).tolist() for number in range(3)] == [[5], [6, 7], [1, 2, 4]]


def test_the_first_answers_are_the_same_however_many_are_wanted(tmp_path: Path, tiny_model: Path) -> None:
    # As `search eval` asks for a hundred and `search query` for ten.
    words = ["film", "cast", "story", "superb", "number", "plot", "awful", "great"]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, 6)) for _ in range(400)]
    index = built(tmp_path / "index", tiny_model, texts)
    found = [ranked_hits(index, ["superb story of a cast"], top_k, None)[0] for top_k in (1, 10, 100)]
    assert found[2][:10] == found[1]
    assert found[1][:1] == found[0]
