"""That nothing in an index fits a query is told, and not of a query that shares keywords or is similar."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trifold.cli.main import run
from trifold.documents.search.fitting import chance_similarity, nothing_fits
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.models.settings import ComputeSettings


def built(folder: Path, model: Path, documents: int) -> SearchIndex:
    words = ["film", "cast", "story", "superb", "plot", "great", "awful", "ending"]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, 6)) for _ in range(documents)]
    return SearchIndex.build(texts, folder, IndexSettings(model=str(model)), ComputeSettings(device="cpu"))


def test_a_query_without_keywords_and_likeness_is_told(tmp_path: Path, tiny_model: Path) -> None:
    index = built(tmp_path / "index", tiny_model, 120)
    chance = chance_similarity(index)
    assert -1 < chance < 1
    assert chance == chance_similarity(index)

    def fits(query: str, similarity: float) -> bool:
        answers = [replace(one, similarity=similarity) for one in index.search("film", 3)]
        return not nothing_fits(index, query, answers)

    assert not fits("xqzv blorp", chance - 0.01)
    assert fits("xqzv blorp", chance + 0.01)
    assert not fits("xqzv blorp film", chance - 0.01)
    assert fits("blorp film", chance - 0.01)
    assert not fits("the of", chance - 0.01)
    assert not nothing_fits(index, "xqzv", [])
    few = built(tmp_path / "few", tiny_model, 50)
    assert not nothing_fits(few, "xqzv", [replace(one, similarity=-1.0) for one in few.search("film", 3)])


def test_the_share_of_keywords_is_that_of_one_document(tmp_path: Path, tiny_model: Path) -> None:
    index = SearchIndex.build(
        ["a quiet film", "a loud plot"],
        tmp_path / "i",
        IndexSettings(model=str(tiny_model)),
        ComputeSettings(device="cpu"),
    )
    assert index.keywords is not None
    assert index.keywords.largest_share("quiet films") == 1
    assert index.keywords.largest_share("quiet plot quiet") == 0.5
    assert index.keywords.largest_share("xqzv") == index.keywords.largest_share("the") == 0


def test_the_note_and_the_json_say_it(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built(tmp_path / "index", tiny_model, 120)
    monkeypatch.setattr("trifold.documents.search.fitting.chance_similarity", lambda _: 1.1)
    assert run(["search", "query", str(tmp_path / "index"), "xqzv blorp", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["nothing_fits"] is True
    assert "note: nothing in the index seems to fit" in shown.err
    (tmp_path / "q.csv").write_text("query\nxqzv\nsuperb film\n")
    assert run(["search", "query", str(tmp_path / "index"), "--queries", str(tmp_path / "q.csv")]) == 0
    assert "note: to 1 of the queries nothing in the index seems to fit" in capsys.readouterr().err
