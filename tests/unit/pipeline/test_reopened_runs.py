"""What a run says of itself does not decide what is opened from elsewhere."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.errors import DataError
from trifold.inference.run import Run, load_run
from trifold.pipeline.finetune import finetune
from trifold.pipeline.recorded_run import reopen_task
from trifold.pipeline.request import Request


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reopened")
    return finetune(Request(write_reviews(folder / "some.csv")), "tfidf", folder / "run").folder


@pytest.mark.parametrize("path", ["hf:someone/rows", "-"])
@pytest.mark.parametrize("name", ["path", "test_file"])
def test_no_data_set_is_asked_for_on_the_word_of_a_run(run: Path, path: str, name: str) -> None:
    loaded = load_run(run)
    data = loaded.record.data
    data = data.but(path=path) if name == "path" else data.but(reading=data.reading.but(test_file=path))
    with pytest.raises(
        DataError, match=f"was trained on {path}, which is not opened on the word of a run: name a file"
    ):
        reopen_task(Run(run, loaded.predictor, loaded.record.but(data=data)), "name a file")
