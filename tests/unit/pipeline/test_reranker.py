import csv
from pathlib import Path

import numpy as np
import pytest

from trifold.cli.main import run
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.errors import SettingsError
from trifold.models.settings import ComputeSettings
from trifold.pipeline.reranker import open_reranker
from trifold.types import TextPair

ON_CPU = ComputeSettings(device="cpu")
THINGS = ("film", "plot", "cast", "score", "ending", "script", "story", "dialogue", "camera", "pace")


def trained(folder: Path, labels: tuple[str, str], *, pairs: bool = True) -> Path:
    """A run that has learned whether a passage is about what the query names."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(160):
        asked, other = rng.choice(THINGS, 2, replace=False)
        relevant = number % 2
        rows.append((asked, f"the {asked if relevant else other} is dull {number}", labels[relevant]))
    data = folder / "pairs.csv"
    folder.mkdir(parents=True)
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([("query", "passage", "label"), *rows])
    columns = ["--task", "pairs", "--text-column", "query,passage"] if pairs else ["--text-column", "passage"]
    done = run(["finetune", str(data), *columns, "--method", "tfidf", "--output-dir", str(folder / "run")])
    assert done == 0
    return folder / "run"


def test_what_a_cross_encoder_takes_to_be_relevant_comes_first(tmp_path: Path, tiny_model: Path) -> None:
    reranker = open_reranker(trained(tmp_path / "run", ("0", "1")), ON_CPU)
    pairs = [TextPair("plot", "the plot is dull"), TextPair("plot", "the cast is dull")]
    scores = reranker(pairs)
    assert scores.shape == (2,)
    texts = [f"The {thing} is dull." for thing in THINGS]
    SearchIndex.build(texts, tmp_path / "index", IndexSettings(model=str(tiny_model)), ON_CPU)
    index = SearchIndex(tmp_path / "index", ON_CPU, reranker=reranker)
    found = index.search("plot", 10)
    assert {one.document.id for one in found} == {str(n + 1) for n in range(10)}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    wanted = {
        text: float(score) for text, score in zip(texts, reranker([TextPair("plot", t) for t in texts]), strict=True)
    }
    assert found[0].passage == max(wanted, key=lambda text: wanted[text])


def test_runs_that_do_not_tell_relevance_are_refused(tmp_path: Path) -> None:
    single = trained(tmp_path / "single", ("0", "1"), pairs=False)
    with pytest.raises(SettingsError, match="reads single texts: give a run that was trained on pairs"):
        open_reranker(single, ON_CPU)
    other = trained(tmp_path / "other", ("bad", "good"))
    with pytest.raises(SettingsError, match="tells apart bad, good, of which none is relevance"):
        open_reranker(other, ON_CPU)
