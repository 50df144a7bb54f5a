"""Whatever a file of a run has become: what it is needed for says so in one sentence, and the rest goes on."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from trifold import TextClassifier
from trifold.artifact.manifest import write_manifest
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.errors import ArtifactError, TrifoldError
from trifold.evaluate.leaderboard import build_leaderboard
from trifold.evaluate.results import read_result
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.methods.settings import TuningSettings
from trifold.models.settings import BackboneSettings, EncodingSettings
from trifold.pipeline.finetune import finetune
from trifold.pipeline.recorded_run import reopen_task
from trifold.pipeline.request import Request
from trifold.train.settings import CheckpointSettings, TrainSettings

KINDS = ("tfidf", "features", "zero-shot", "full", "adapter-lora", "adapter-bottleneck")
DEEP = b"[" * 100_000
WHOLE_FILES = (
    *(b"{}", b"[]", b"null", b'"text"', b"12", b"NaN", b'{"labels": "\\ud800"}', b'"\\ud800"', DEEP, b"", b" "),
    *(b"\x00\xff\xfe\x01", b"{", b'{"a": 1e999}', b'["a", {}]', b'[["a"], ["a"]]', b'["a", "a"]', b"1" * 5_000),
)
VALUES: tuple[Any, ...] = (
    *(None, "../../etc/passwd", -1, 10**12, 1.5, True, [], {}, [[]], ["a", "a"], {"a": 1}, [[99, "mean"]], "\ud800"),
)
# Nothing reads what they hold.
LOOSE = ("asked", "choices", "hardware", "versions")


def request(reviews: Path, model: Path) -> Request:
    backbone = BackboneSettings(model=str(model), cache=False)
    return Request(reviews, backbone=backbone, train=TrainSettings(epochs=1), tuning=TuningSettings(adapter_size=2))


@pytest.fixture(scope="module", params=KINDS)
def run(request_: Request, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / request.param
    finetune(request_.for_method(request.param), request.param, folder, announce=False)
    return folder


@pytest.fixture(scope="module")
def request_(reviews: Path, tiny_model: Path) -> Request:
    return request(reviews, tiny_model)


def use(folder: Path) -> None:
    """As predict does."""
    predict_texts(load_run(folder).predictor, ["The film is superb"])


def compare_with_others(folder: Path) -> None:
    """As a resumed comparison does."""
    build_leaderboard([read_result(folder)], "accuracy")


def reopen(folder: Path) -> None:
    """As export and bench do."""
    reopen_task(load_run(folder), "name others")


def embed(folder: Path) -> None:
    TextEmbedder(str(folder), settings=EncodingSettings())


Use = Callable[[Path], object]


def harmed(path: Path) -> Iterator[bytes]:
    """The file as it may be found."""
    whole = path.read_bytes()
    yield from (*WHOLE_FILES, whole[: len(whole) // 2], whole[:-1], whole + b"x")
    if path.suffix == ".csv":
        yield whole.replace(b",", b"\x00,", 3)
        yield b"row,label\n" + b"1,good\n" * 3
        yield whole.replace(b"good", b"unheard of")
    if path.suffix == ".json":
        yield from (json.dumps(value).encode() for value in altered(json.loads(whole)))


def altered(value: Any) -> Iterator[Any]:
    """A JSON value with one field gone, or another one in its place, at any depth."""
    if isinstance(value, list) and value:
        yield from ([*value[:-1], other] for other in VALUES)
        yield value[:-1]
    if not isinstance(value, dict):
        return
    for name, old in value.items():
        yield {key: one for key, one in value.items() if key != name}
        yield from ({**value, name: new} for new in VALUES)
        if name not in LOOSE:
            yield from ({**value, name: new} for new in altered(old))


def tracebacks(run: Path, changed: Iterator[Any], *uses: Use, manifest: bool = False) -> list[str]:
    """What ends in anything but a sentence, of some uses of a run after each change."""
    found = []
    for what in changed:
        if manifest:
            write_manifest(run)
        for one in uses:
            try:
                one(run)
            except TrifoldError as error:
                found += [f"{one.__name__}: more than a sentence: {error}"] if "\n" in str(error) else []
            except Exception as error:  # noqa: BLE001 - none may come
                found.append(f"{one.__name__} of {str(what)[:300]}: {type(error).__name__}: {error}")
    return found


def changes(path: Path) -> Iterator[bytes]:
    """Harm the file in one way after the other, and put it back."""
    whole = path.read_bytes()
    for content in harmed(path):
        path.write_bytes(content)
        yield content
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "uses"),
    [
        ("run.json", (use, compare_with_others, reopen, embed, TextClassifier.load)),
        ("manifest.json", (use, embed)),
        ("metrics.json", (compare_with_others,)),
        ("predictions.csv", (compare_with_others,)),
    ],
)
@pytest.mark.parametrize("run", ["tfidf"], indirect=True)
def test_no_damaged_record_ends_in_a_traceback(run: Path, name: str, uses: tuple[Use, ...]) -> None:
    problems = tracebacks(run, changes(run / name), *uses)
    assert not problems, "\n".join(problems[:40])


def test_no_damaged_model_ends_in_a_traceback(run: Path) -> None:
    problems = []
    for path in (run / "model" / "head.json", run / "model" / "vocabulary.json"):
        if path.exists():
            # As it would be had it been written so: no hash tells.
            problems += tracebacks(run, changes(path), use, manifest=True)
    write_manifest(run)
    for path in (one for one in (run / "model").iterdir() if one.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(TrifoldError, match="is damaged"):
            load_run(run)
        path.write_bytes(whole)
    assert not problems, "\n".join(problems[:40])
    use(run)


def test_arrays_of_other_shapes_are_told(run: Path) -> None:
    path = run / "model" / "head.safetensors"
    whole, arrays = path.read_bytes(), load_file(path)

    def reshaped() -> Iterator[str]:
        for name, array in arrays.items():
            others = {
                "gone": None, "empty": np.zeros((0,), np.float32), "wider": np.zeros((*array.shape[:-1], array.shape[-1] + 1), np.float32),
                "deeper": array[None], "whole": np.zeros(array.shape, np.int64), "endless": np.full(array.shape, np.inf, np.float32),
                "nothing": np.zeros_like(array),
            }  # fmt: skip
            for what, other in others.items():
                save_file({key: one for key, one in {**arrays, name: other}.items() if one is not None}, path)
                yield f"{name} {what}"

    problems = tracebacks(run, reshaped(), use, manifest=True)
    # A header that promises more than the file holds, or a kind of number that there is not.
    for header in (
        '{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        '{"a":{"dtype":"F8"}}',
    ):

        def promise(header: str = header) -> Iterator[str]:
            path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
            yield header

        problems += tracebacks(run, promise(), use, manifest=True)
    path.write_bytes(whole)
    write_manifest(run)
    assert not problems, "\n".join(problems[:40])


def test_a_vocabulary_that_holds_a_term_twice_is_told(run: Path) -> None:
    path = run / "model" / "vocabulary.json"
    if path.exists():
        whole = path.read_text()
        terms = json.loads(whole)
        path.write_text(json.dumps([*terms[:-1], terms[0]]))
        write_manifest(run)
        with pytest.raises(ArtifactError, match="a term stands in it twice"):
            load_run(run)
        path.write_text(whole)
        write_manifest(run)


def test_a_manifest_neither_leaves_out_nor_reaches_out(run: Path) -> None:
    path = run / "manifest.json"
    hashes = json.loads(path.read_text())
    name = next(name for name in hashes if name.startswith("model/"))
    for changed in ({key: value for key, value in hashes.items() if key != name}, {**hashes, "model/../../x": "0"}, {}):
        path.write_text(json.dumps(changed))
        with pytest.raises(TrifoldError):
            load_run(run)
    path.write_text(json.dumps(hashes))
    load_run(run)


def test_a_resumed_run_is_taken_by_its_hashes(run: Path, request_: Request, tmp_path: Path) -> None:
    resume = CheckpointSettings(resume=True)
    moved = tmp_path / "moved.csv"
    shutil.copyfile(request_.data, moved)
    made_by = request_.for_method(run.name)
    again = finetune(replace(made_by, data=moved), run.name, run, keep=resume)
    assert again.folder == run
    moved.write_text(moved.read_text().replace("film", "book"))
    before = (run / "run.json").read_bytes()
    others = (
        (replace(made_by, data=moved), run.name),
        (replace(made_by, train=TrainSettings(seed=7)), run.name),
        (request_.for_method("classic"), "classic"),
    )
    for other, method in others:
        with pytest.raises(TrifoldError, match="another run than is asked for"):
            finetune(other, method, run, keep=resume)
    assert (run / "run.json").read_bytes() == before
