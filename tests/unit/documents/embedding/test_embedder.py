"""Texts as vectors: what is asked for, prompts, and what a vector depends on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trifold import TextClassifier, TextEmbedder
from trifold.errors import DataError, SettingsError
from trifold.models.settings import EncodingSettings

SETTINGS = EncodingSettings(device="cpu", precision="float32")
TEXTS = ["the film is superb", "a dull plot", "the score"]


def made(model: Path, **options: object) -> TextEmbedder:
    return TextEmbedder(str(model), settings=SETTINGS, **options)  # type: ignore[arg-type]


def test_texts_in_any_list_and_a_text_alone(tiny_model: Path) -> None:
    embedder = made(tiny_model)
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (3, embedder.width) == (3, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(embedder.encode(np.array(TEXTS)), vectors, atol=1e-6)
    np.testing.assert_allclose(embedder.encode(TEXTS[1]), vectors[1], atol=1e-6)
    assert embedder.encode([]).shape == (0, 32)
    assert embedder.get_sentence_embedding_dimension() == 32


@pytest.mark.parametrize("text", ["", " \n", None, 3])
def test_what_is_no_text_is_named_by_its_number(text: object, tiny_model: Path) -> None:
    with pytest.raises(DataError, match="text number 1"):
        made(tiny_model).encode(["a film", text])  # type: ignore[list-item]


def test_each_pooling_is_that_of_the_last_layer(tiny_model: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(tiny_model)(TEXTS[0], return_tensors="pt")
    states = AutoModel.from_pretrained(tiny_model).eval()(**tokens).last_hidden_state[0].detach().numpy()
    for pooling, expected in (("mean", states.mean(0)), ("first", states[0]), ("max", states.max(0))):
        found = made(tiny_model, pooling=pooling, normalize=False).encode(TEXTS[0])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(SettingsError, match="--pooling last is not allowed: give one of"):
        made(tiny_model, pooling="last")


def test_dimensions_are_the_first_ones_made_length_one_again(tiny_model: Path) -> None:
    whole, cut = made(tiny_model).encode(TEXTS), made(tiny_model, dimensions=8)
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(cut.encode(TEXTS), expected, atol=1e-6)
    assert cut.width == 8
    with pytest.raises(SettingsError, match=r"--dimensions 33 is not allowed: .* has vectors of 32 numbers"):
        made(tiny_model, dimensions=33)


def test_prompts_stand_before_texts(tiny_model: Path) -> None:
    embedder = made(tiny_model, prompts={"query": "the plot ", "passage": "the cast "})
    plain = embedder.encode(["the plot is dull", "the cast is dull"])
    np.testing.assert_allclose(embedder.encode(["is dull"], prompt="the plot "), plain[:1], atol=1e-6)
    np.testing.assert_allclose(embedder.encode(["is dull"], prompt_name="query"), plain[:1], atol=1e-6)
    np.testing.assert_allclose(embedder.encode_query(["is dull"]), plain[:1], atol=1e-6)
    np.testing.assert_allclose(embedder.encode_document("is dull"), plain[1], atol=1e-6)
    np.testing.assert_allclose(embedder.encode(["is dull"], prompt_name="document"), plain[1:], atol=1e-6)
    with pytest.raises(SettingsError, match=r"no prompt 'code' \(--prompt-name\): it has passage, query"):
        embedder.encode(["is dull"], prompt_name="code")
    with pytest.raises(SettingsError, match="--prompt with --prompt-name is not allowed"):
        embedder.encode(["is dull"], prompt_name="query", prompt="the plot ")
    with pytest.raises(SettingsError, match="it has none, so give the text itself"):
        made(tiny_model).encode(["is dull"], prompt_name="query")


def test_the_identity_is_of_all_that_a_vector_depends_on(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_model, tmp_path / "moved")
    plain = made(tiny_model).identity
    assert made(tmp_path / "moved").identity == plain
    longer = EncodingSettings(device="cpu", precision="float32", max_length=64)
    others = [
        made(tiny_model, pooling="max"),
        made(tiny_model, dimensions=8),
        made(tiny_model, normalize=False),
        made(tiny_model, prompts={"query": "the "}),
        TextEmbedder(str(tiny_model), settings=longer),
    ]
    assert len({plain, *(one.identity for one in others)}) == 6


def test_which_texts_are_cut(tiny_model: Path) -> None:
    embedder = TextEmbedder(str(tiny_model), settings=EncodingSettings(device="cpu", precision="float32", max_length=8))
    found = embedder.encode_counting(["the film", "the plot the cast the score the ending the script"])
    assert found.truncated.tolist() == [False, True]
    assert embedder.too_long == "had more than 8 tokens; what came after was cut off"


def test_many_texts_are_encoded_in_slices_as_few_are(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = made(tiny_model)
    texts = [f"the plot number {number}" for number in range(20)]
    whole = embedder.encode(texts)
    monkeypatch.setattr("trifold.documents.embedding.embedder._TEXTS_PER_SLICE", 8)
    np.testing.assert_allclose(embedder.encode(texts), whole, atol=1e-6)


def test_a_run_reads_so_many_tokens_as_in_training(tiny_model: Path, tmp_path: Path) -> None:
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull"] * 20)]
    options = {"model": str(tiny_model), "device": "cpu", "cache": False, "max_length": 21}
    TextClassifier("features", **options).fit(texts, ["good", "bad"] * 20).save(tmp_path / "run")  # type: ignore[arg-type]
    assert made(tmp_path / "run").max_length == 21
    assert TextEmbedder(str(tmp_path / "run"), settings=EncodingSettings(max_length=30)).max_length == 30
    assert made(tiny_model).max_length == 250
    assert TextEmbedder().max_length == 250


def test_a_long_text_is_read_in_windows_where_asked(tiny_model: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    text, short = "the film is superb and the plot is dull", TEXTS[0]
    # Six tokens of the text fit beside the two special ones.
    settings = {"device": "cpu", "precision": "float32", "max_length": 8}
    cut, windows = (
        TextEmbedder(str(tiny_model), settings=EncodingSettings(**settings, long_text=rule))
        for rule in ("truncate", "window")
    )  # type: ignore[arg-type]
    assert cut.identity != windows.identity
    ids = AutoTokenizer.from_pretrained(tiny_model)(text, return_tensors="pt")["input_ids"][0]
    size = -(-(len(ids) - 2 + 1) // 2)
    parts = [torch.cat([ids[:1], ids[1 : 1 + size], ids[-1:]]), torch.cat([ids[:1], ids[-1 - size : -1], ids[-1:]])]
    states = AutoModel.from_pretrained(tiny_model).eval()(torch.stack(parts)).last_hidden_state.detach().numpy()
    expected = states.mean((0, 1))
    np.testing.assert_allclose(windows.encode(text), expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_array_equal(windows.encode(short), cut.encode(short))
    assert "8 windows of 8 tokens" in windows.too_long
