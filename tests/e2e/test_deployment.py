"""`export`, `bench`, `embed` and `--engine`, driven as a user drives them."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from conftest import BAD, GOOD, THINGS
from trifold.engines.int8 import multiplies_int8
from warm_commands import Command


@pytest.fixture(scope="module")
def run(trifold_command: Command, reviews: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, trained whole."""
    folder = tmp_path_factory.mktemp("runs") / "full"
    done = trifold_command(
        "finetune", reviews, "--method", "full", "--model", tiny_model, "--learning-rate", "3e-3",
        "--epochs", "6", "--output-dir", folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def exports(trifold_command: Command, run: Path) -> dict[str, Path]:
    """The same, exported both ways."""
    found = {}
    for engine, flags in (("onnx", ()), ("int8", ("--int8", "--max-drop", "5"))):
        found[engine] = run.with_name(f"full-{engine}")
        done = trifold_command("export", run, *flags, "--output-dir", found[engine])
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(found[engine])
        assert "held-out rows" in done.stdout
    return found


def test_an_export_predicts_the_same_without_pytorch(run: Path, exports: dict[str, Path]) -> None:
    program = (
        "import sys; from trifold.inference.predict import predict_texts; from trifold.inference.run import load_run\n"
        f"found = predict_texts(load_run({str(exports['onnx'])!r}).predictor, ['The film is superb', 'dull'])\n"
        "print([round(one.probabilities['good'], 4) for one in found], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    from trifold.inference.predict import predict_texts
    from trifold.inference.run import load_run

    expected = [
        one.probabilities["good"] for one in predict_texts(load_run(run).predictor, ["The film is superb", "dull"])
    ]
    values, imported = done.stdout.strip().rsplit(" ", 1)
    np.testing.assert_allclose(json.loads(values), expected, atol=1e-3)
    assert imported == "False"


def test_an_export_serves_predict_and_evaluate(
    trifold_command: Command, exports: dict[str, Path], reviews: Path
) -> None:
    for folder in exports.values():
        predicted = trifold_command("predict", folder, "--text", "The film is superb", "--json")
        assert json.loads(predicted.stdout)["label"] == "good"
        evaluated = trifold_command("evaluate", folder, reviews, "--json")
        assert json.loads(evaluated.stdout)["accuracy"]["value"] > 0.9


def test_8_bits_make_it_smaller_and_the_facts_say_what_it_cost(exports: dict[str, Path]) -> None:
    sizes = {engine: (folder / "onnx" / "model.onnx").stat().st_size for engine, folder in exports.items()}
    assert sizes["int8"] < sizes["onnx"]
    facts = json.loads((exports["int8"] / "run.json").read_text())["exported"]
    assert facts["engine"] == "int8"
    # Of 240, those of the validation and the test part.
    assert facts["rows"] > 70
    assert facts["drop_low"] <= facts["drop_points"] <= facts["drop_high"]


def test_8_bits_that_cost_too_much_are_refused_and_leave_nothing(
    trifold_command: Command, reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Rows that the two models label differently, under the labels that the exact one gives them.

    Random weights without a trained head are never sure, so that 8 bits change many answers.
    """
    from trifold.inference.predict import predict_texts
    from trifold.inference.run import load_run

    run, small, out = (tmp_path / name for name in ("run", "small", "refused"))
    done = trifold_command("finetune", reviews, "--method", "zero-shot", "--model", tiny_model, "--output-dir", run)
    assert done.returncode == 0, done.stderr
    done = trifold_command("export", run, "--int8", "--max-drop", "100", "--output-dir", small)
    assert done.returncode == 0, done.stderr
    models = [load_run(folder).predictor for folder in (run, small)]
    rng = random.Random(0)
    texts = [" ".join(rng.choices((*GOOD, *BAD, *THINGS), k=rng.randint(3, 30))) for _ in range(2_000)]
    answers: list[str] = []
    # What an 8-bit model says depends a little on the texts beside it, so those that stay are asked again by themselves.
    for _ in range(3):
        exact, rough = ([str(one.label) for one in predict_texts(model, texts)] for model in models)
        kept = [(t, e) for t, e, r in zip(texts, exact, rough, strict=True) if e != r]
        texts, answers = [text for text, _ in kept], [answer for _, answer in kept]
    assert len(texts) >= 5
    with (tmp_path / "doubtful.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, answers, strict=True)])
    done = trifold_command("export", run, "--int8", "--data", tmp_path / "doubtful.csv", "--output-dir", out)
    assert done.returncode == 2, done.stdout
    assert "points of accuracy" in done.stderr
    assert "(95 % interval" in done.stderr
    assert (
        "--max-drop allows 0.5: nothing was kept; allow more, measure on other labelled rows with --data FILE"
        in done.stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doubtful.csv", "run", "small"]


def test_a_run_whose_data_have_changed_asks_for_other_rows(
    trifold_command: Command, reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "own.csv"
    data.write_bytes(reviews.read_bytes())
    run = tmp_path / "run"
    done = trifold_command("finetune", data, "--method", "zero-shot", "--model", tiny_model, "--output-dir", run)
    assert done.returncode == 0, done.stderr
    data.write_text(data.read_text() + "one more,good\n")
    done = trifold_command("export", run)
    assert done.returncode == 2
    assert "is not the file any more" in done.stderr
    assert "--data FILE" in done.stderr
    data.unlink()
    done = trifold_command("export", run)
    assert done.returncode == 2
    assert "--data FILE" in done.stderr
    other = tmp_path / "other.csv"
    other.write_text("verdict,note,words\n" + "Good,x,The film is superb\nbad,y,The plot is dull\n" * 20)
    columns = ("--text-column", "words", "--label-column", "verdict", "--merge-labels")
    done = trifold_command("export", run, "--data", other, *columns, "--output-dir", tmp_path / "graph")
    assert done.returncode == 0, done.stderr
    assert "on 40 held-out rows" in done.stdout
    done = trifold_command("bench", run, other, "--text-column", "words", "--seconds", "0.1", "--json")
    assert json.loads(done.stdout)["texts"] == 40


def test_bench_measures_every_engine(trifold_command: Command, run: Path) -> None:
    done = trifold_command("bench", run, "--seconds", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["engine"] for one in found["engines"]] == ["torch", "onnx", "int8"]
    for one in found["engines"]:
        assert one["texts_per_second"] > 0
        assert 0 < one["p50_ms"] <= one["p99_ms"]
        assert one["peak_memory_bytes"] > 1e7
        assert 0 < one["matrix_share"] < 1
        assert len(one["passes"]) >= 3
    assert found["matrix_gflops"] > 0


def test_features_by_another_engine_are_told_apart_and_kept_in_use(
    trifold_command: Command, reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = trifold_command(
        "finetune", reviews, "--method", "features", "--model", tiny_model, "--engine", "int8",
        "--output-dir", tmp_path / "run", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["choices"]["precision"] == "int8"
    engine = json.loads((tmp_path / "run" / "model" / "head.json").read_text())["engine"]
    assert engine == ("torch-int8" if multiplies_int8() else "onnx-int8")
    predicted = trifold_command("predict", tmp_path / "run", "--text", "The film is superb", "--json")
    assert predicted.returncode == 0, predicted.stderr
    measured = trifold_command("bench", tmp_path / "run", "--seconds", "1", "--json")
    assert measured.returncode == 0, measured.stderr
    assert [one["engine"] for one in json.loads(measured.stdout)["engines"]] == [engine, "onnx", "int8"]


def test_embed_writes_a_vector_for_every_row_in_order(
    trifold_command: Command, tiny_model: Path, tmp_path: Path
) -> None:
    source = tmp_path / "texts.csv"
    source.write_text('id,text\n1,The film is superb\n2,\n3,"dull, dull"\n')
    done = trifold_command("embed", tiny_model, source, "--output", tmp_path / "v.npy")
    assert done.returncode == 0, done.stderr
    assert "line 3 has no vector" in done.stderr
    vectors = np.load(tmp_path / "v.npy")
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    assert np.isnan(vectors[1]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 2]], axis=1), 1, atol=1e-6)
    alone = trifold_command("embed", tiny_model, "--text", "dull, dull")
    np.testing.assert_allclose(json.loads(alone.stdout), vectors[2], atol=1e-5)
    done = trifold_command("embed", tiny_model, source, "--output", tmp_path / "v.parquet", "--json")
    assert json.loads(done.stdout)["rows"] == 3
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet").to_pydict()
    assert table["id"] == ["1", "2", "3"]
    assert table["text"] == ["The film is superb", "", "dull, dull"]
    np.testing.assert_allclose(table["vector"][2], vectors[2], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("embed", "minilm"), "embed needs a file and --output"),
        (("embed", "minilm", "--text", " "), "give a text with at least one word"),
        (("embed", "no/such/folder", "--text", "a"), "there is no folder"),
        (("export", "nowhere"), "there is no run folder nowhere"),
        (("bench", "nowhere"), "there is no run folder nowhere"),
        (("export", "nowhere", "--text-column", "words"), "they go with --data FILE"),
        (("bench", "nowhere", "--text-column", "words"), "they go with a file"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    arguments: tuple[str, ...], sentence: str, trifold_command: Command, tmp_path: Path
) -> None:
    done = trifold_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_vectors_go_only_into_known_formats_and_out_of_models_that_have_them(
    trifold_command: Command, reviews: Path, run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = trifold_command("embed", tiny_model, reviews, "--output", tmp_path / "v.txt")
    assert done.returncode == 2
    assert "ends in .npy, .parquet or .jsonl" in done.stderr
    whole = trifold_command("embed", run, "--text", "The film is superb")
    assert len(json.loads(whole.stdout)) == 32
    assert not list(tmp_path.iterdir())
