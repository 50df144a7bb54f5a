"""A file of texts as a file of vectors."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from trifold.data.settings import TextSettings
from trifold.documents.embedding import embed
from trifold.documents.embedding.embed import embed_file
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.embedding.unfinished_vectors import folder_for
from trifold.errors import BackboneError, DataError, SettingsError

ROWS = 50


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text("id,text\n" + "".join(f"{n},the plot number {n} is dull\n" for n in range(ROWS)))
    return path


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "ROWS_PER_SLICE", 8)


def test_row_by_row_a_vector_of_length_one_and_none_for_a_bad_row(embedder: TextEmbedder, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n1,the film is superb\n2,\n3,the film is superb\n4,a dull plot\n")
    found = embed_file(embedder, tmp_path / "new.csv", tmp_path / "vectors.npy", TextSettings())
    vectors = np.load(tmp_path / "vectors.npy")
    assert (found.rows, found.width, found.truncated) == (*vectors.shape, 0) == (4, 32, 0)
    assert [line for line, _ in found.bad] == [3]
    assert np.isnan(vectors[1]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 2, 3]], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[2], rtol=1e-5)


def test_the_columns_come_back_with_their_types(embedder: TextEmbedder, tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {"id": [1, 2, 3], "text": ["a dull plot", None, "the film is superb"], "sure": [0.5, None, 1.0]}
    parquet.write_table(pa.table(columns), tmp_path / "new.parquet")
    embed_file(embedder, tmp_path / "new.parquet", tmp_path / "vectors.parquet", TextSettings())
    found = parquet.read_table(tmp_path / "vectors.parquet")
    assert found.drop_columns(["vector"]).to_pydict() == columns
    assert str(found.schema.field("vector").type) == "fixed_size_list<element: float>[32]"
    vectors = np.array(found["vector"].to_pylist())
    np.testing.assert_allclose(vectors[[0, 2]], embedder.encode(["a dull plot", "the film is superb"]), atol=1e-6)
    embed_file(embedder, tmp_path / "new.parquet", tmp_path / "vectors.jsonl", TextSettings())
    lines = [json.loads(line) for line in (tmp_path / "vectors.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert lines[1]["vector"] is None
    np.testing.assert_allclose(lines[2]["vector"], vectors[2], atol=1e-6)


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet"])
def test_what_was_cut_short_goes_on_and_ends_in_the_same_bytes(
    name: str, embedder: TextEmbedder, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_file(embedder, source, tmp_path / f"whole-{name}", TextSettings())
    asked: list[int] = []
    encode = embedder.encode_counting

    def counted(texts: list[str], **options: object) -> object:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(len(texts))
        return encode(texts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(embedder, "encode_counting", counted)
    with pytest.raises(KeyboardInterrupt):
        embed_file(embedder, source, tmp_path / name, TextSettings())
    assert not (tmp_path / name).exists()
    assert folder_for(tmp_path / name).is_dir()
    monkeypatch.setattr(
        embedder, "encode_counting", lambda texts, **options: asked.append(len(texts)) or encode(texts, **options)
    )
    found = embed_file(embedder, source, tmp_path / name, TextSettings())
    assert (found.rows, found.resumed) == (ROWS, 24)
    assert sum(asked) == ROWS
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["new.csv", name, f"whole-{name}"])


def test_what_is_left_of_a_stopped_command_need_not_have_words_that_the_model_knows(
    embedder: TextEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, encode = tmp_path / "new.csv", tmp_path / "vectors.npy", embedder.encode_counting
    source.write_text("text\n" + "the film is superb\n" * 8 + "🎬🎬\n" * 8, encoding="utf-8")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def once(texts: list[str], **options: object) -> object:
        patch.setattr(embedder, "encode_counting", stop)
        return encode(texts, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(embedder, "encode_counting", once)
        with pytest.raises(KeyboardInterrupt):
            embed_file(embedder, source, output, TextSettings())
    found = embed_file(embedder, source, output, TextSettings())
    assert (found.rows, found.resumed, found.bad) == (16, 8, ())
    source.write_text("text\n" + "🎬🎬\n" * 8, encoding="utf-8")
    with pytest.raises(BackboneError, match="give a model for their language"):
        embed_file(embedder, source, output, TextSettings(), force=True)


@pytest.mark.parametrize("changed", ["input", "prompt", "damage"])
def test_what_was_kept_of_something_else_is_not_used(
    changed: str, embedder: TextEmbedder, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    output, encode = tmp_path / "vectors.npy", embedder.encode_counting

    def once(texts: list[str], **options: object) -> object:
        patch.setattr(embedder, "encode_counting", stop)
        return encode(texts, **options)  # type: ignore[arg-type]

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedder, "encode_counting", once)
        with pytest.raises(KeyboardInterrupt):
            embed_file(embedder, source, output, TextSettings())
    assert "8 rows are kept: the same command goes on from there" in capsys.readouterr().err
    if changed == "input":
        source.write_text(source.read_text().replace("dull", "superb"))
    if changed == "damage":
        (folder_for(output) / "progress.json").write_text("{")
    found = embed_file(embedder, source, output, TextSettings(), prompt="the film " if changed == "prompt" else None)
    assert found.resumed == 0
    said = capsys.readouterr().err
    assert ("was begun with another input, model or settings" in said) == (changed != "damage")
    expected = embedder.encode(["the plot number 3 is " + ("superb" if changed == "input" else "dull")],
                               prompt="the film " if changed == "prompt" else None)  # fmt: skip
    np.testing.assert_allclose(np.load(output)[3], expected[0], atol=1e-5)


def test_a_result_whose_folder_was_left_is_written_again_with_force(
    embedder: TextEmbedder, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "vectors.npy"
    with monkeypatch.context() as patch:
        patch.setattr(embed, "remove", lambda _: None)
        embed_file(embedder, source, output, TextSettings())
    assert folder_for(output).is_dir()
    content = output.read_bytes()
    assert embed_file(embedder, source, output, TextSettings(), force=True).resumed == ROWS
    assert output.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "vectors.npy"]


def test_a_mistake_leaves_nothing_behind(embedder: TextEmbedder, source: Path, tmp_path: Path) -> None:
    source.write_text(source.read_text() + f"{ROWS},\n")
    with pytest.raises(DataError, match="line 52: the text is empty"):
        embed_file(embedder, source, tmp_path / "vectors.npy", TextSettings(on_bad_rows="fail"))
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_pipe_gets_the_array(embedder: TextEmbedder, source: Path, tmp_path: Path) -> None:
    from threading import Thread

    os.mkfifo(tmp_path / "pipe.npy")
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append((tmp_path / "pipe.npy").read_bytes()))
    reader.start()
    embed_file(embedder, source, tmp_path / "pipe.npy", TextSettings())
    reader.join(timeout=30)
    assert read[0].startswith(b"\x93NUMPY")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "pipe.npy"]


def test_a_format_for_no_vectors_and_a_column_that_is_taken_are_refused(embedder: TextEmbedder, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text,vector\nthe film is superb,1\n")
    with pytest.raises(SettingsError, match=r"name a file that ends in .npy, .parquet or .jsonl"):
        embed_file(embedder, tmp_path / "new.csv", tmp_path / "vectors.csv", TextSettings())
    with pytest.raises(DataError, match="already has a column 'vector'"):
        embed_file(embedder, tmp_path / "new.csv", tmp_path / "vectors.parquet", TextSettings())
    assert not (tmp_path / "vectors.parquet").exists()
