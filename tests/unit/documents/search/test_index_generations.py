"""What a reader sees while a build replaces the generation that it opens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trifold.documents.document import given_documents
from trifold.documents.search import generation, keywords, query
from trifold.documents.search.build import build_index
from trifold.documents.search.generation import current_generation, open_generation
from trifold.documents.search.keywords import TEXT
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.errors import ArtifactError
from trifold.models.settings import ComputeSettings
from trifold.pipeline import search_complete
from trifold.pipeline.search import describe
from trifold.pipeline.search_complete import complete_query

ON_CPU = ComputeSettings(device="cpu")


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    build(tmp_path / "index", tiny_model)
    return tmp_path / "index"


def build(folder: Path, model: Path | None = None) -> None:
    texts = ["The plot of the film", "The plot of the story", "The cast"]
    build_index(given_documents(texts), folder, IndexSettings(model=str(model) if model else None), ON_CPU)


@pytest.fixture
def replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str], list[str]]:
    """Has a build replace the generation just before something is opened of it, the first time."""

    def arranged(module: object, name: str) -> list[str]:
        real, opened = getattr(module, name), []

        def opening(*given: object, **named: object) -> object:
            opened.append(current_generation(folder))
            if len(opened) == 1:
                monkeypatch.setattr(module, name, real)
                build(folder)
                monkeypatch.setattr(module, name, opening)
            return real(*given, **named)

        monkeypatch.setattr(module, name, opening)
        return opened

    return arranged


@pytest.mark.parametrize(("module", "name"), [(query, "KeywordIndex"), (keywords, "SortedWords")])
def test_an_index_is_opened_while_a_build_replaces_it(
    folder: Path, replaced: Callable[..., list[str]], module: object, name: str
) -> None:
    opened = replaced(module, name)
    assert len(SearchIndex(folder, ON_CPU).search("plot", 2)) == 2
    assert len(set(opened)) == 2


def test_a_query_is_completed_while_a_build_replaces_the_index(
    folder: Path, replaced: Callable[..., list[str]]
) -> None:
    opened = replaced(search_complete, "Phrases")
    assert complete_query(folder, "the pl")[0].text.startswith("the plot of the")
    assert len(set(opened)) == 2


def test_a_healthy_index_is_not_called_damaged_while_a_build_replaces_it(
    folder: Path, replaced: Callable[..., list[str]]
) -> None:
    opened = replaced(generation, "verify")
    assert describe(folder).documents == 3
    assert len(set(opened)) == 2


@pytest.mark.parametrize("name", ["words.ends.npy", "terms.characters.npy", "indptr.npy", TEXT])
def test_a_truncated_array_is_a_damaged_index(folder: Path, name: str) -> None:
    path = open_generation(folder).path / "keywords" / name
    whole = path.read_bytes()

    def opened() -> None:
        SearchIndex(folder, ON_CPU)
        complete_query(folder, "the")

    for content in (whole[: len(whole) - 4], whole[:20], b""):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=f"{name} is damaged .its content is not what was written"):
            opened()
    path.unlink()
    with pytest.raises(ArtifactError, match=f"{name} is damaged .it is missing"):
        opened()
