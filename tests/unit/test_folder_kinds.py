"""What a folder is, and what is said where it is not what a command needs."""

import json
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run
from trifold.folder_kinds import INDEX, MODEL, RUN, UNFINISHED, kind_of, wrong_kind


@pytest.fixture(scope="module")
def folders(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder of each kind, a data file, and a folder of documents."""
    place = tmp_path_factory.mktemp("kinds")
    data = write_reviews(place / "data.csv", rows=60)
    index, trained = place / "index", place / "run"
    assert run(["search", "build", str(data), "--index", str(index), "--model", str(tiny_model)]) == 0
    assert run(["finetune", str(data), "--method", "tfidf", "--output-dir", str(trained)]) == 0
    (place / "texts").mkdir()
    (place / "texts" / "a.txt").write_text("The film was superb.")
    named = {"INDEX": index, "RUN": trained, "MODEL": tiny_model, "TEXTS": place / "texts", "DATA": data}
    return {name: str(path) for name, path in named.items()}


def test_kinds_are_told_from_the_files(folders: dict[str, str], tmp_path: Path) -> None:
    assert [kind_of(Path(folders[name])) for name in ("INDEX", "RUN", "MODEL")] == [INDEX, RUN, MODEL]
    assert kind_of(Path(folders["TEXTS"])) is None
    assert wrong_kind(tmp_path / "nowhere", "a run folder") is None
    (tmp_path / "state").mkdir()
    assert kind_of(tmp_path) == UNFINISHED


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"verdict": {}}, "is a comparison, not"),
        ({"method": "pretrain"}, "is a run of a language model"),
        ({"task": "generate"}, "is a run of a language model"),
        ({"task": "similarity"}, "is a run of --task similarity"),
        ({"exported": {"engine": "onnx"}}, "is an export of a run"),
        ({}, "is a run of a classifier"),
        (None, "is a run of a classifier"),
    ],
)
def test_a_run_is_told_by_its_record(record: object, told: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(record) if record is not None else "{damaged")
    assert told in str(wrong_kind(tmp_path, "an index of documents"))


ASKS_INDEX = "trifold search query INDEX TEXT asks it"
LABELS = "trifold predict RUN --text TEXT labels by it"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        *((f"{verb} INDEX --text film", ASKS_INDEX) for verb in ("predict", "explain", "embed")),
        *((f"{verb} INDEX DATA", ASKS_INDEX) for verb in ("evaluate", "perplexity", "bench")),
        *((f"{verb} INDEX", ASKS_INDEX) for verb in ("export", "check", "topics", "summarize")),
        ("finetune DATA --method full --model INDEX", ASKS_INDEX),
        ("similar film plot --model INDEX", ASKS_INDEX),
        ("fill-mask INDEX film", ASKS_INDEX),
        ("generate INDEX film", ASKS_INDEX),
        ("search query RUN film", LABELS),
        ("search info RUN", LABELS),
        ("search complete RUN film", LABELS),
        ("search build RUN --index new", LABELS),
        ("summarize RUN", LABELS),
        ("topics RUN", LABELS),
        ("fill-mask RUN film", LABELS),
        ("finetune DATA --method full --model RUN", LABELS),
        ("search query MODEL film", "is a pretrained model, not an index of documents"),
        ("predict MODEL --text film", "is a pretrained model, not a run folder"),
        ("predict TEXTS --text film", "holds no run: name the folder that finetune or compare prints"),
        ("search query TEXTS film", "holds no index: make one with trifold search build DOCS"),
        ("search build DATA --index RUN", "holds something else (a run of a classifier): name another --index"),
    ],
)
def test_a_folder_of_another_kind_is_told_with_what_takes_it(
    command: str,
    said: str,
    folders: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A build that is refused may leave what it began.
    monkeypatch.chdir(tmp_path)
    assert run([folders.get(word, word) for word in command.split()]) == 2
    error = capsys.readouterr().err
    for name, path in folders.items():
        said = said.replace(name, path)
    assert said in error
    assert sum(not line.startswith("note: ") for line in error.splitlines()) == 1
