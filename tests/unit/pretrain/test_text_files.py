"""Text to pieces to a corpus: nothing lost, boundaries kept, equal texts on one side."""

import csv
import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trifold.errors import DataError
from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.corpus import open_corpus
from trifold.pretrain.packing import pack
from trifold.pretrain.settings import CorpusSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents

DEFAULT = CorpusSettings()


def texts(path: Path, settings: CorpusSettings = DEFAULT) -> list[str]:
    """The documents, whole again."""
    found, now = [], ""
    for piece in Documents((path,), settings).pieces():
        now += piece.text
        if piece.ends:
            found.append(now)
            now = ""
    assert not now
    return found


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_one_document_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    text = "".join(f"line {i} with some words\n" for i in range(1_000)) + "x" * 200_000 + "\n\nthe end"
    path = write(tmp_path / "a.txt", text)
    assert texts(path) == [text]
    assert len(list(Documents((path,), DEFAULT).pieces())) > 20


@pytest.mark.parametrize(
    ("documents", "expected"),
    [("line", ["one\n", "two\n", "three\n", "four"]), ("paragraph", ["one\ntwo\n", "three\nfour"])],
)
def test_lines_and_paragraphs_may_be_documents(documents: str, expected: list[str], tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\ntwo\n\n \nthree\nfour")
    assert texts(path, CorpusSettings(documents=documents)) == expected  # type: ignore[arg-type]


def test_folders_mix_text_and_tables_and_excluded_rows_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(folder / "a.txt", "plain text")
    with (folder / "b.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], [1, "first review"], [2, "  known review "], [3, ""]])
    known = tmp_path / "test.csv"
    with known.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], ["known review", "good"]])
    documents = Documents((folder,), CorpusSettings(exclude=(known,)))
    assert [piece.text for piece in documents.pieces()] == ["plain text", "first review"]
    assert (documents.left_out, documents.excluded) == (1, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b" \n ", "is empty"), (bytes(range(256)) * 50, "is a binary file, not text")],
)
def test_what_is_no_text_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        texts(path)


def vocabulary_of(model: Path) -> Vocabulary:
    return Vocabulary.of(BackboneFiles(model, str(model), None), "mlm")


def test_the_corpus_holds_the_tokenizers_own_ids_with_a_separator_behind_each_document(
    tiny_model: Path, tmp_path: Path
) -> None:
    lines = ["the film is wonderful xyz\n", "the plot is dull\n"]
    vocabulary = vocabulary_of(tiny_model)
    path = write(tmp_path / "a.txt", "".join(lines))
    corpus = open_corpus(Documents((path,), CorpusSettings(documents="line")), vocabulary)
    ids = np.where(corpus.tokens < 0, ~corpus.tokens, corpus.tokens)
    own = [vocabulary.tokenizer.encode(line, add_special_tokens=False) for line in lines]
    assert ids.tolist() == [*own[0].ids, 3, *own[1].ids, 3]
    # xyz is three pieces: the second and third go on with a word.
    assert (corpus.tokens < 0).tolist() == [False] * 5 + [True] * 2 + [False] * 6
    assert corpus.facts["documents"] == 2
    assert corpus.piece_bytes.tolist() == [25, 16], "line ends are not told by this tokenizer"


def test_a_corpus_is_found_again_by_its_content_not_by_its_name(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = vocabulary_of(tiny_model)
    first = open_corpus(Documents((write(tmp_path / "a.txt", "the very same film"),), DEFAULT), vocabulary)
    again = open_corpus(Documents((write(tmp_path / "b.txt", "the very same film"),), DEFAULT), vocabulary)
    other = open_corpus(Documents((write(tmp_path / "c.txt", "another film"),), DEFAULT), vocabulary)
    assert first.facts["address"] == again.facts["address"] != other.facts["address"]
    assert "was tokenised before" in capsys.readouterr().err


def test_equal_documents_are_never_on_both_sides(tiny_model: Path, tmp_path: Path) -> None:
    lines = [f"the film number {i % 60} is moving, the plot superb\n" for i in range(180)]
    path = write(tmp_path / "a.txt", "".join(lines))
    corpus = open_corpus(Documents((path,), CorpusSettings(documents="line")), vocabulary_of(tiny_model))
    parts = corpus.split(CorpusSettings(block_size=64))
    said = [
        {
            tuple(corpus.tokens[a:b].tolist())
            for a, b in zip(corpus.pieces, corpus.pieces[1:], strict=False)
            if any(s.start <= a < s.end for s in part.spans)
        }
        for part in parts
    ]
    assert not said[0] & said[1]
    assert len(said[0] | said[1]) == 60
    assert 0 < parts[1].tokens <= len(corpus.tokens) / 10
    assert parts[0].tokens + parts[1].tokens == len(corpus.tokens)
    assert parts[0].seen_bytes + parts[1].seen_bytes == corpus.piece_bytes.sum()


def test_of_a_single_document_the_end_is_held_out(tiny_model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "the film is superb and the plot moving\n" * 400)
    corpus = open_corpus(Documents((path,), DEFAULT), vocabulary_of(tiny_model))
    training, validation = corpus.split(CorpusSettings())
    assert len(training.spans) == len(validation.spans) == 1
    assert training.spans[0].end == validation.spans[0].start
    assert validation.spans[0].end == len(corpus.tokens)
    assert 0.02 < validation.tokens / len(corpus.tokens) < 0.2


def test_kept_text_is_listed_bounded_and_cleared(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trifold.cache_folder import clear
    from trifold.pretrain import corpus as module

    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    vocabulary = vocabulary_of(tiny_model)
    for number in range(3):
        open_corpus(Documents((write(tmp_path / f"{number}.txt", f"film {number}"),), DEFAULT), vocabulary)
    assert [text.documents for text in module.list_texts()] == [1, 1, 1]
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    last = open_corpus(Documents((write(tmp_path / "last.txt", "the last film"),), DEFAULT), vocabulary)
    assert [text.folder.name for text in module.list_texts()] == [last.facts["address"]]
    assert clear() > 0
    assert not module.list_texts()


def test_packed_files_are_read_and_found_in_folders(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a packed text\n"))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"text,label\na packed row,x\n"))
    (tmp_path / "c.json").write_text('[{"text": "an object", "label": "x"}]')
    assert texts(tmp_path, DEFAULT) == ["a packed text\n", "a packed row", "an object"]


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "pipe.txt", Path("/dev/zero")):
        with pytest.raises(DataError, match="is a pipe or device, not a file"):
            texts(path)
    with pytest.raises(DataError, match="is longer than the file system takes"):
        texts(tmp_path / ("a" * 300))


def test_lines_of_which_nothing_can_be_seen_are_no_documents(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\n\u200b\ufeff\ntwo\n")
    assert texts(path, replace(DEFAULT, documents="line")) == ["one\n", "two\n"]


WORDS = ("film", "plot", "cast", "is", "superb", "dull", "the", "moving")


def one_line(words: int) -> str:
    return " ".join(WORDS[(3 * number + number // 7) % len(WORDS)] for number in range(words))


@pytest.mark.parametrize(
    ("name", "text", "block_size"),
    [
        ("long.txt", one_line(30_000), 256),
        ("short.txt", one_line(400), 64),
        ("two-lines.txt", f"{one_line(3_000)}\n{one_line(3_000)}\n", 256),
        ("no-spaces.txt", one_line(4_000).replace(" ", "."), 256),
        ("one-row.csv", f"text\n{one_line(1_500)}\n", 128),
        ("two-rows.csv", f"text\n{one_line(1_500)}\n{one_line(1_501)}\n", 128),
    ],
)
def test_of_one_long_line_a_small_part_is_held_out(
    name: str, text: str, block_size: int, tiny_model: Path, tmp_path: Path
) -> None:
    settings = CorpusSettings(text_column="text" if name.endswith(".csv") else None, block_size=block_size)
    vocabulary = vocabulary_of(tiny_model)
    corpus = open_corpus(Documents((write(tmp_path / name, text),), settings), vocabulary)
    parts = corpus.split(settings)
    blocks = pack(corpus, parts, vocabulary, block_size)
    assert min(map(len, blocks)) >= 1
    assert 0.05 < parts[1].tokens / len(corpus.tokens) < 0.3
    # However it is cut, no word is.
    if " " in text:
        ids = np.where(corpus.tokens < 0, ~corpus.tokens, corpus.tokens)
        rows = text.removeprefix("text\n").strip().split("\n") if name.endswith(".csv") else [text]
        own = [[*vocabulary.tokenizer.encode(row, add_special_tokens=False).ids, 3] for row in rows]
        assert ids.tolist() == [number for row in own for number in row]


def test_a_text_too_short_for_two_blocks_names_a_block_that_would_do(tiny_model: Path, tmp_path: Path) -> None:
    vocabulary = vocabulary_of(tiny_model)
    corpus = open_corpus(Documents((write(tmp_path / "a.txt", one_line(300)),), DEFAULT), vocabulary)
    with pytest.raises(
        DataError, match=r"301 tokens, too few for a block of 256 .* or --block-size (\d+) or less"
    ) as said:
        pack(corpus, corpus.split(DEFAULT), vocabulary, 256)
    size = int(str(said.value).split("--block-size ")[1].split()[0])
    settings = CorpusSettings(block_size=size)
    assert min(map(len, pack(corpus, corpus.split(settings), vocabulary, size))) >= 1
