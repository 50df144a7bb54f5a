"""A command that is refused leaves nothing where it was told to write, neither a file nor a folder that it began."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

ROWS = "text,label\n" + "".join(f"row {number} is a text,{'ab'[number % 2]}\n" for number in range(40))
PROMPT = 'task = "Text: {text}"\noutput = { labels = ["a", "b"] }\nvariables = { text = "" }\n'


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `tfidf`, which cannot be exported."""
    folder = tmp_path_factory.mktemp("words")
    data = write_reviews(folder / "reviews.csv", 60)
    return finetune(Request(data), "tfidf", folder / "run", announce=False).folder


@pytest.fixture
def files(tmp_path: Path, words: Path, tiny_model: Path) -> dict[str, str]:
    """What commands are given: `bad` has a row without a text at its end, `one` has a single label."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "bad.csv").write_text(f"{ROWS},a\n")
    (inputs / "one.csv").write_text("text,label\n" + 30 * "always the same,a\n")
    (inputs / "empty.txt").write_text("")
    (inputs / "prompt.toml").write_text(PROMPT)
    (inputs / "documents").mkdir()
    named = {path.stem: str(path) for path in inputs.iterdir()}
    return {**named, "run": str(words), "model": str(tiny_model), "log": str(inputs / "log")}


# Command lines; OUT is what the command was told to write.
REFUSED = {
    "finetune": "finetune {one} --method tfidf --output-dir OUT",
    "finetune, bad row": "finetune {bad} --method tfidf --on-bad-rows fail --output-dir OUT",
    "finetune, no model": "finetune {bad} --model there-is-none --output-dir OUT",
    "finetune similarity": "finetune {bad} --task similarity --method tfidf --output-dir OUT",
    "finetune generate": "finetune {bad} --task generate --model {model} --output-dir OUT",
    "finetune after pretraining": "finetune {one} --method full --pretrain-on {empty} --output-dir OUT",
    "compare": "compare {one} --methods tfidf --output-dir OUT",
    "compare similarity": "compare {bad} --task similarity --methods tfidf --output-dir OUT",
    "pretrain": "pretrain {empty} --model {model} --output-dir OUT",
    "export": "export {run} --output-dir OUT",
    "search build of a run": "search build {run} --index OUT --model {model}",
    "search build of nothing": "search build {documents} --index OUT --model {model}",
    "search build, bad row": "search build {bad} --on-bad-rows fail --index OUT --model {model}",
    "search build, no model": "search build {bad} --index OUT --model there-is-none",
    "embed": "embed {model} {bad} --on-bad-rows fail --output OUT.npy",
    "predict": "predict {run} {bad} --on-bad-rows fail --output OUT.csv",
    "predict into a workbook": "predict {run} {bad} --on-bad-rows fail --output OUT.xlsx",
    "predict into Parquet": "predict {run} {bad} --on-bad-rows fail --output OUT.parquet",
    "explain": "explain {run} {bad} --on-bad-rows fail --output OUT.csv",
    "duplicates": "duplicates {bad} --drop --on-bad-rows fail --output OUT.csv",
    "topics": "topics {bad} --model {model} --on-bad-rows fail --output OUT.csv --map OUT.html",
    "similar": "similar {model} {bad} --on-bad-rows fail --output OUT.csv",
    "summarize": "summarize {bad} --model {model} --on-bad-rows fail --output OUT.csv",
    "label": "label {bad} --prompt {prompt} --llm hf:there-is-none --log {log} --output OUT.csv",
    "prompt write": "prompt write wish --llm hf:there-is-none --log {log} --output OUT.toml",
    "prompt run": "prompt run {prompt} --file {bad} --llm hf:there-is-none --log {log} --output OUT.csv",
    "prompt improve": "prompt improve {prompt} {one} --llm hf:there-is-none --log {log} --output OUT.toml",
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED)
def test_nothing_is_left(
    command: str, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert run([word.format(**files).replace("OUT", str(place / "new")) for word in command.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("trifold: ")
    assert list(place.rglob("*")) == [], said


@pytest.mark.parametrize("name", [name for name, command in REFUSED.items() if command.split()[-2:] == ["--output-dir", "OUT"] or "--index OUT" in command])  # fmt: skip
def test_nor_are_folders_that_were_made_for_it(name: str, files: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    words = REFUSED[name].split()
    assert run([word.format(**files).replace("OUT", str(place / "made" / "for" / "it")) for word in words]) == 2
    assert list(place.rglob("*")) == []


def test_what_lies_there_already_stays(files: dict[str, str], tmp_path: Path) -> None:
    for name in ("index", "output-dir"):
        (tmp_path / name).mkdir()
    assert run(["search", "build", files["run"], "--index", str(tmp_path / "index"), "--model", files["model"]]) == 2
    assert run(["finetune", files["one"], "--method", "tfidf", "--output-dir", str(tmp_path / "output-dir")]) == 2
    for name in ("index", "output-dir"):
        assert list((tmp_path / name).iterdir()) == []


def test_an_index_that_was_there_answers_as_before(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    place = ["--index", str(tmp_path / "index")]
    assert run(["search", "build", str(tmp_path / "rows.csv"), *place, "--model", files["model"]]) == 0
    before = sorted(path.relative_to(tmp_path) for path in (tmp_path / "index").rglob("*"))
    assert run(["search", "build", files["run"], *place]) == 2
    assert sorted(path.relative_to(tmp_path) for path in (tmp_path / "index").rglob("*")) == before
    capsys.readouterr()
    assert run(["search", "query", str(tmp_path / "index"), "row 7"]) == 0
    assert "row 7 is a text" in capsys.readouterr().out
