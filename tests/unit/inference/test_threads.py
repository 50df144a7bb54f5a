"""A predictor in use by several threads at once."""

import copy
import csv
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from trifold import TextClassifier
from trifold.inference.run import Run, load_run

THREADS = 4


@pytest.fixture(scope="module")
def data(reviews: Path) -> tuple[list[str], list[str]]:
    with reviews.open() as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.fixture(scope="module", params=["features", "full", "adapter-lora"])
def folder(
    request: pytest.FixtureRequest,
    data: tuple[list[str], list[str]],
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    made = TextClassifier(request.param, str(tiny_model), epochs=1, max_length=32, device="cpu")
    place: Path = tmp_path_factory.mktemp("runs") / request.param
    made.fit(data[0][:60], data[1][:60]).save(place)
    return place


def scores_at_once(runs: Sequence[Run], texts: list[str]) -> list[np.ndarray]:
    """What each thread is given, all of them starting at the same moment."""
    barrier = Barrier(len(runs))

    def score(run: Run) -> np.ndarray:
        barrier.wait()
        return np.concatenate([run.predictor.score(texts[start : start + 20]).logits for start in range(0, 100, 20)])

    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(score, runs))


def test_threads_that_share_a_predictor_get_what_one_alone_gets(
    folder: Path, data: tuple[list[str], list[str]]
) -> None:
    texts = data[0][:100]
    expected = scores_at_once([load_run(folder)], texts)[0]
    for _ in range(3):
        # Opened anew, so that the first forward pass, which lays weights out, is shared as well.
        for found in scores_at_once([load_run(folder)] * THREADS, texts):
            np.testing.assert_array_equal(found, expected)


def test_a_pickle_and_a_deep_copy_of_a_predictor_score_the_same(
    folder: Path, data: tuple[list[str], list[str]]
) -> None:
    predictor = load_run(folder).predictor
    expected = predictor.score(data[0][:20]).logits
    for again in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        np.testing.assert_array_equal(again.score(data[0][:20]).logits, expected)
