"""A comparison clears away what was begun beside its runs, and keeps what was finished."""

from pathlib import Path

from conftest import write_reviews
from trifold.artifact.manifest import MANIFEST
from trifold.evaluate.settings import CompareSettings
from trifold.pipeline.compare import compare
from trifold.pipeline.request import Request


def test_a_whole_run_that_lacks_its_name_alone_is_kept(tmp_path: Path) -> None:
    request, settings = Request(write_reviews(tmp_path / "some.csv")), CompareSettings(methods="tfidf")
    folder = compare(request, settings, tmp_path / "run").folder
    for name in (".tfidf.01234567.partial", ".tfidf.76543210.partial", ".best.01234567.partial"):
        (folder / name).mkdir()
    (folder / ".tfidf.01234567.partial" / MANIFEST).write_text("{}")
    compare(request, settings, folder, resume=True)
    assert (folder / "tfidf-2" / MANIFEST).is_file()
    assert not list(folder.glob(".*.partial"))
