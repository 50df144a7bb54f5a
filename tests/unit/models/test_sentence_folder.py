"""Folders of sentence-transformers: its vectors here, and ours there."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import write_reviews
from trifold import TextClassifier, TextEmbedder
from trifold.errors import BackboneError, TrifoldError
from trifold.models.locate import locate
from trifold.models.settings import EncodingSettings

SETTINGS = EncodingSettings(device="cpu", precision="float32")
TEXTS = ["the film is superb", "a dull plot, and a clumsy script", "The Score", "camera " * 300]
# Sums of float32 in another order.
CLOSE = 2e-6


def theirs(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def ours(folder: Path, **options: Any) -> TextEmbedder:
    return TextEmbedder(str(folder), settings=SETTINGS, **options)


def built(model: Path, folder: Path, modules: Sequence[Any] = (), pooling: Any = "mean", **options: Any) -> Path:
    """A folder as sentence-transformers saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(model), max_seq_length=options.pop("max_seq_length", 64))
    parts = [transformer, Pooling(32, pooling_mode=pooling), *modules]
    SentenceTransformer(modules=parts, device="cpu", **options).save(str(folder))
    return folder


def dense(out: int, activation: Any, *, bias: bool = True) -> Any:
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense

    torch.manual_seed(1)
    return Dense(32, out, bias=bias, activation_function=activation)


def normal() -> Any:
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize()


def cases() -> dict[str, dict[str, Any]]:
    import torch

    return {
        "mean": {},
        "normalised": {"modules": [normal()]},
        "first": {"pooling": "cls", "modules": [normal()]},
        "several": {"pooling": ("mean", "max"), "modules": [normal()]},
        "dense": {"modules": [dense(16, torch.nn.Tanh()), normal()]},
        "dense without bias": {"modules": [normal(), dense(8, torch.nn.Identity(), bias=False)]},
        "short": {"max_seq_length": 8, "modules": [normal()]},
    }


NAMES = ("mean", "normalised", "first", "several", "dense", "dense without bias", "short")


@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_theirs_and_what_is_saved_again_has_them_there(name: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = built(tiny_model, tmp_path / "theirs", **cases()[name])
    expected = theirs(folder).encode(TEXTS)
    embedder = ours(folder)
    np.testing.assert_allclose(embedder.encode(TEXTS), expected, rtol=0, atol=CLOSE)
    embedder.save(tmp_path / "ours")
    np.testing.assert_allclose(theirs(tmp_path / "ours").encode(TEXTS), expected, rtol=0, atol=CLOSE)
    again = ours(tmp_path / "ours")
    np.testing.assert_allclose(again.encode(TEXTS), expected, rtol=0, atol=CLOSE)
    assert again.identity == embedder.identity


def test_prompts_and_similarity_are_those_of_the_folder(tiny_model: Path, tmp_path: Path) -> None:
    prompts = {"query": "the plot ", "document": "the cast "}
    options = {"prompts": prompts, "default_prompt_name": "document", "similarity_fn_name": "euclidean"}
    folder = built(tiny_model, tmp_path / "theirs", **options)
    model, embedder = theirs(folder), ours(folder)
    for name in ("encode", "encode_query", "encode_document"):
        found = getattr(embedder, name)(TEXTS)
        np.testing.assert_allclose(found, getattr(model, name)(TEXTS), rtol=0, atol=CLOSE)
    vectors = embedder.encode(TEXTS)
    np.testing.assert_allclose(
        embedder.similarity(vectors, vectors[:2]), model.similarity(vectors, vectors[:2]), atol=1e-4
    )
    embedder.save(tmp_path / "ours")
    assert theirs(tmp_path / "ours").prompts == prompts
    assert theirs(tmp_path / "ours").similarity_fn_name == "euclidean"


@pytest.mark.parametrize("measure", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities_are_theirs(measure: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = built(tiny_model, tmp_path / "theirs", similarity_fn_name=measure)
    vectors = ours(folder).encode(TEXTS)
    expected = theirs(folder).similarity(vectors, vectors).numpy()
    np.testing.assert_allclose(ours(folder).similarity(vectors, vectors), expected, atol=1e-4)
    assert ours(folder).similarity(vectors[0], vectors[1]).shape == (1, 1)


def test_a_cut_model_is_saved_as_a_projection_that_cuts(tiny_model: Path, tmp_path: Path) -> None:
    embedder = ours(tiny_model, dimensions=8)
    embedder.save(tmp_path / "cut")
    np.testing.assert_allclose(theirs(tmp_path / "cut").encode(TEXTS), embedder.encode(TEXTS), rtol=0, atol=CLOSE)


def test_the_bundled_model_gives_their_vectors() -> None:
    folder = locate("minilm").folder
    settings = EncodingSettings(device="cpu", precision="float32", max_length=256)
    found = TextEmbedder(settings=settings).encode(TEXTS)
    np.testing.assert_allclose(found, theirs(folder).encode(TEXTS), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("method", ["full", "features"])
def test_a_run_can_be_taken_there(method: str, tiny_model: Path, tmp_path: Path) -> None:
    import csv

    with write_reviews(tmp_path / "reviews.csv", rows=60).open() as file:
        rows = list(csv.DictReader(file))
    epochs = {"epochs": 1} if method == "full" else {}
    classifier = TextClassifier(method, model=str(tiny_model), device="cpu", precision="float32", cache=False, **epochs)
    classifier.fit([row["text"] for row in rows], [row["label"] for row in rows]).save(tmp_path / "run")
    embedder = ours(tmp_path / "run")
    embedder.save(tmp_path / "model")
    expected = embedder.encode(TEXTS)
    np.testing.assert_allclose(theirs(tmp_path / "model").encode(TEXTS), expected, rtol=0, atol=CLOSE)
    if method == "full":
        run = theirs(tmp_path / "run" / "model").encode(TEXTS[:3], normalize_embeddings=True)
        np.testing.assert_allclose(run, expected[:3], rtol=0, atol=CLOSE)


def test_an_encoder_in_a_folder_inside_is_found(tiny_model: Path, tmp_path: Path) -> None:
    folder = built(tiny_model, tmp_path / "theirs", modules=[normal()])
    expected = ours(folder).encode(TEXTS)
    inside = folder / "0_Transformer"
    inside.mkdir()
    for path in [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(("modules", "config_"))]:
        path.rename(inside / path.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(theirs(folder).encode(TEXTS), expected, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(ours(folder).encode(TEXTS), expected, rtol=0, atol=CLOSE)


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        ("module", "has the module sentence_transformers.models.LSTM, which is not computed here: give a model of the"),
        ("foreign", "has the module somebody.Pooling, which is not computed here"),
        ("pooling", "has the pooling 'lasttoken', which is not computed here"),
        ("outside", "which lies outside it"),
        ("no pooling", r"1_Pooling.config.json is missing"),
        ("damaged", "modules.json is damaged"),
        ("kind", "is a CrossEncoder, which gives no vector of a text"),
    ],
)
def test_what_is_not_computed_here_is_told_in_one_sentence(
    harm: str, sentence: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    ours(tiny_model).save(folder)
    modules = json.loads((folder / "modules.json").read_text())
    if harm == "module":
        modules.insert(2, {"idx": 2, "name": "2", "path": "2_LSTM", "type": "sentence_transformers.models.LSTM"})
    if harm == "foreign":
        modules[1]["type"] = "somebody.Pooling"
    if harm == "outside":
        modules[1]["path"] = "../elsewhere"
    (folder / "modules.json").write_text("[{]" if harm == "damaged" else json.dumps(modules))
    if harm == "pooling":
        changed(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_lasttoken=True)
    if harm == "no pooling":
        shutil.rmtree(folder / "1_Pooling")
    if harm == "kind":
        changed(folder / "config_sentence_transformers.json", model_type="CrossEncoder")
    with pytest.raises(TrifoldError, match=sentence) as told:
        ours(folder)
    assert len(str(told.value).splitlines()) == 1


def test_a_projection_in_a_pickled_file_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    ours(tiny_model, dimensions=8).save(tmp_path / "model")
    dense_folder = tmp_path / "model" / "2_Dense"
    (dense_folder / "model.safetensors").rename(dense_folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"has its weights in pytorch_model\.bin, which can run code"):
        ours(tmp_path / "model")
