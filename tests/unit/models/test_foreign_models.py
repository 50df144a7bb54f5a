"""Models from anywhere: their code is not run, their pickles are not opened, and what is wrong is said in a sentence."""

import io
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from conftest import write_reviews
from own_code_model import AUTO_MAP, add_own_code
from trifold.artifact.manifest import write_manifest
from trifold.cli.main import run
from trifold.engines.encoder import Encoder
from trifold.errors import ArtifactError, BackboneError, SettingsError
from trifold.models.backbone_files import BackboneFiles
from trifold.models.loading import load_model
from trifold.models.locate import MINILM, locate
from trifold.models.lora import load_adapter
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

CPU = Runtime("cpu", "float32")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code-was-run"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path, marker: Path) -> Path:
    """A copy of a model, with code beside it that nothing names yet."""
    shutil.copytree(tiny_model, tmp_path / "model")
    add_own_code(tmp_path / "model", marker)
    return tmp_path / "model"


def change(path: Path, **values: object) -> None:
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**config, **values}))


def by_config(folder: Path) -> None:
    """As models with an architecture of their own are published."""
    change(folder / "config.json", auto_map=AUTO_MAP, model_type="own")


def by_config_of_a_known_model(folder: Path) -> None:
    """What is read as a BERT would be another model than the one that was published."""
    change(folder / "config.json", auto_map=AUTO_MAP)


def by_a_nested_config(folder: Path) -> None:
    change(folder / "config.json", text_config={"parts": [{"auto_map": AUTO_MAP}]})


def by_the_config_for_a_version(folder: Path) -> None:
    change(folder / "config.4.0.0.json", auto_map=AUTO_MAP, model_type="own")
    change(folder / "config.json", configuration_files=["config.4.0.0.json"])


def by_the_tokenizer(folder: Path) -> None:
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]})
    (folder / "tokenizer.json").unlink()


NAMING = (by_config, by_config_of_a_known_model, by_a_nested_config, by_the_config_for_a_version, by_the_tokenizer)


@pytest.mark.parametrize("name_code", NAMING)
@pytest.mark.parametrize(
    "command",
    [
        "embed MODEL --text film",
        "check DATA --model MODEL",
        "finetune DATA --method features --model MODEL",
        "finetune DATA --method full --model MODEL",
        "pretrain DATA --model MODEL",
        "pretrain --show film --model MODEL",
        "fill-mask MODEL [MASK]",
        "generate MODEL film",
        "perplexity MODEL DATA",
        "finetune DATA --method prompt --llm hf:MODEL",
    ],
)
def test_code_from_a_model_folder_is_not_run_whatever_is_answered(
    command: str,
    name_code: Callable[[Path], None],
    folder: Path,
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name_code(folder)
    data = write_reviews(tmp_path / "data.csv", rows=20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    words = {"MODEL": str(folder), "DATA": str(data), "hf:MODEL": f"hf:{folder}"}
    assert run([words.get(word, word) for word in command.split()]) == 2
    said = capsys.readouterr()
    assert not marker.exists()
    assert said.out == ""
    assert "brings code of its own (auto_map in its " in said.err
    assert "--trust-remote-code" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.fixture(scope="module")
def full_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    data = write_reviews(place / "data.csv", rows=60)
    made = ["finetune", str(data), "--method", "full", "--epochs", "1", "--max-length", "20"]
    assert run([*made, "--model", str(tiny_model), "--output-dir", str(place / "full")]) == 0
    return place / "full"


@pytest.mark.parametrize("name_code", [by_config, by_config_of_a_known_model])
@pytest.mark.parametrize(
    "command",
    [
        "predict RUN --text film",
        "export RUN",
        "bench RUN",
        "embed RUN --text film",
        "fill-mask RUN [MASK]",
        "finetune DATA --model RUN",
    ],
)
def test_code_from_a_run_folder_is_not_run_whatever_is_answered(
    command: str,
    name_code: Callable[[Path], None],
    full_run: Path,
    folder: Path,
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = shutil.copytree(full_run, tmp_path / "run")
    shutil.copy(folder / "own.py", given / "model")
    name_code(given / "model")
    # Nor may the run say that it is to be trusted.
    facts = json.loads((given / "run.json").read_text())
    settings = {"trust_remote_code": True}
    (given / "run.json").write_text(json.dumps({**facts, **settings, "settings": settings}))
    change(given / "model" / "head.json", trust_remote_code=True)
    write_manifest(given)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    words = {"RUN": str(given), "DATA": str(write_reviews(tmp_path / "data.csv", rows=20))}
    capsys.readouterr()
    assert run([words.get(word, word) for word in command.split()]) == 2
    said = capsys.readouterr()
    assert not marker.exists()
    assert "brings code of its own" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_toml_file_cannot_switch_foreign_code_on(
    folder: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_config(folder)
    for line in (
        "trust_remote_code = true",
        "trust-remote-code = true",
        '"trust_remote_c\\u006fde" = true',
        "[embed]\ntrust_remote_code = true",
    ):
        (tmp_path / "run.toml").write_text(f"{line}\n")
        assert run(["embed", str(folder), "--text", "film", "--config", str(tmp_path / "run.toml")]) == 2
    assert not marker.exists()
    assert "--trust-remote-code" in capsys.readouterr().err


def bert_in(folder: Path, file: str) -> None:
    """The weights as pickle writes them."""
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / file)
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_pickled_weights_are_refused_and_not_opened(file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bert_in(folder, file)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpickled"))
    with pytest.raises(BackboneError, match=f"has its weights in {file}.*: convert them to model.safetensors first"):
        Encoder(locate(str(folder)), CPU)


def cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def overwritten(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_a_layer(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({name: one for name, one in tensors.items() if ".layer.1." not in name}, folder / "model.safetensors")


def list_of_files(**names: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "other.bin")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))

    return write


def config(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


def config_with(**values: object) -> Callable[[Path], None]:
    return lambda folder: change(folder / "config.json", **values)


def an_adapter(folder: Path) -> None:
    change(folder / "adapter_config.json", peft_type="LORA", base_model_name_or_path="bert-base-uncased")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "cannot be loaded as AutoModel"),
        (overwritten, "cannot be loaded as AutoModel"),
        (without_weights, "has no model.safetensors"),
        (without_a_layer, "lacks .* of its weights"),
        (list_of_files(a="../model/other.bin"), "has no file '../model/other.bin'"),
        (list_of_files(a="other.bin"), "none that is safetensors"),
        (list_of_files(a="gone.safetensors"), "has no file 'gone.safetensors'"),
        (list_of_files(a=[1]), "has no file"),
        (config("[]"), "config.json cannot be read .it is no JSON object"),
        (config("{}"), "cannot be loaded"),
        (config("[" * 5000 + "]" * 5000), "config.json cannot be read .it nests more than"),
        (config('{"model_type": "bert", "hidden_size": NaN}'), "config.json cannot be read .NaN is not a JSON number"),
        (config("\x00"), "config.json cannot be read"),
        (config(""), "config.json cannot be read"),
        (config_with(model_type="no-such-thing"), "cannot be loaded"),
        (config_with(model_type=["bert"]), "cannot be loaded"),
        (config_with(hidden_size="wide"), "says hidden_size 'wide', which is no size"),
        (config_with(num_hidden_layers=10**9), "which is no size"),
        (config_with(num_attention_heads=0), "which is no size"),
        (config_with(vocab_size=17), "cannot be loaded as AutoModel"),
        (config_with(model_type="clip"), "lacks|cannot be loaded|does not read texts"),
        (an_adapter, "is an adapter, no model by itself"),
    ],
)
def test_a_damaged_model_is_refused_in_one_sentence(damage: Callable[[Path], None], words: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(BackboneError, match=words) as refused:
        Encoder(locate(str(folder)), CPU)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer.json": "{}"},
        {"tokenizer.json": "[]"},
        {"tokenizer.json": "[" * 5000},
        {"tokenizer.json": "\x00"},
        {"vocab.json": "{}"},
        {"spiece.model": "no model"},
    ],
)
def test_a_model_without_a_tokenizer_that_can_be_read_is_refused(files: dict[str, str], folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(BackboneError, match="has no tokenizer that can be read") as refused:
        Tokenizer(locate(str(folder)), 20)
    assert files or "it has none of tokenizer.json, vocab.txt, vocab.json" in str(refused.value)


def test_a_tokenizer_that_knows_no_word_of_the_texts_is_refused(tiny_model: Path) -> None:
    tokenizer = Tokenizer(locate(str(tiny_model)), 20)
    tokenizer.require_words(["The film is wonderful", "その映画は"])
    with pytest.raises(BackboneError, match=r"knows 0 of the \d+ tokens in the first texts"):
        tokenizer.require_words(["その 映画 は 素晴 らしい"])


@pytest.mark.parametrize("method", ["features", "full", "contrastive"])
def test_a_method_does_not_learn_from_texts_of_unknown_words(
    method: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["".join(pair) for pair in itertools.product("あいうえおかき", repeat=2)]
    rows = "".join(f"その映画は{kind}{name},{kind}\n" for name in names for kind in ("rich", "poor"))
    rows = rows.replace("はrich", "は素晴らしい").replace("はpoor", "は退屈")
    (tmp_path / "data.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    made = ["finetune", str(tmp_path / "data.csv"), "--method", method, "--model", str(tiny_model)]
    assert run([*made, "--output-dir", str(tmp_path / "run")]) == 2
    assert "give a model for their language" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    change(folder / "config.json", vocab_size=20)
    tokenizer = Tokenizer(locate(str(folder)), 20)
    with pytest.raises(BackboneError, match="and the model has vectors for 20 tokens"):
        tokenizer.encode(["the film is wonderful"])


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        "../",
        "../nowhere",
        "a/../b",
        "/nowhere",
        "~/x",
        "x" * 5000,
        "a\x00b",
        "a\nb",
        "\x1b[31mred",
        "hf:",
        "a" * 97,
    ],
)
@pytest.mark.parametrize(
    "command", ["embed NAME --text film", "generate NAME film", "pretrain --show film --model NAME"]
)
def test_a_name_that_can_be_none_is_refused_in_one_sentence(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([name if word == "NAME" else word for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith(("trifold: there is no model ", "trifold: there is no folder ")) or "holds no model" in said
    assert len(said.splitlines()) == 1
    assert len(said) < 300


def test_a_server_less_language_model_needs_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_reviews(tmp_path / "data.csv", rows=20)
    assert run(["label", str(data), "--llm", "hf:", "--output", str(tmp_path / "out.csv")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_revision_is_refused_where_there_is_only_one(tiny_model: Path) -> None:
    for model in ("minilm", str(tiny_model)):
        with pytest.raises(SettingsError, match=r"--revision abc with --model .* is not allowed"):
            locate(model, revision="abc", offline=True)
    # By its public name it is one model of the hub among others, and another commit of it is looked for there.
    with pytest.raises(BackboneError, match="cannot be loaded: offline"):
        locate(MINILM, revision="abc", offline=True)


def damaged_adapter(tiny_model: Path, folder: Path) -> Path:
    from trifold.models.lora import add_adapter, save_adapter

    files = locate(str(tiny_model))
    save_adapter(add_adapter(load_model("AutoModel", files), files, 2, target_modules=["query"]), folder)
    # As it came from transformers' class without a task, peft notes that class and its module.
    change(folder / "adapter_config.json", auto_mapping=None)
    return folder


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"auto_mapping": {"base_model_class": "X", "parent_library": "antigravity"}}, "names code to import"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "names code to import"),
        ({"peft_type": "NO"}, "not of the kind LORA"),
        ({"peft_type": "SHADOW", "shadow_model": "a/stranger"}, "not of the kind LORA"),
        ({"r": "x"}, "missing or damaged"),
    ],
)
def test_a_strange_adapter_is_refused(changed: dict[str, object], words: str, tiny_model: Path, tmp_path: Path) -> None:
    damaged_adapter(tiny_model, tmp_path)
    load_adapter(load_model("AutoModel", locate(str(tiny_model))), tmp_path)
    change(tmp_path / "adapter_config.json", **changed)
    with pytest.raises(ArtifactError, match=words):
        load_adapter(load_model("AutoModel", locate(str(tiny_model))), tmp_path)


def test_a_pickled_adapter_is_not_opened(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged_adapter(tiny_model, tmp_path)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpickled"))
    with pytest.raises(ArtifactError, match=r"it has no adapter_model\.safetensors"):
        load_adapter(load_model("AutoModel", locate(str(tiny_model))), tmp_path)


def test_files_are_refused_however_they_are_opened(folder: Path) -> None:
    by_config(folder)
    with pytest.raises(BackboneError, match="brings code of its own"):
        BackboneFiles(folder, "x", None)
    assert BackboneFiles(folder, "x", None, trust_remote_code=True).trust_remote_code


def test_a_model_that_asks_for_code_to_write_with_is_refused(
    decoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some ways of writing are published as code apart, and `generation_config.json` may ask for one."""
    folder = shutil.copytree(decoder, tmp_path / "model")
    change(folder / "generation_config.json", num_beams=4, num_beam_groups=2, diversity_penalty=1.0)
    assert run(["generate", str(folder), "film", "--temperature", "0"]) == 2
    said = capsys.readouterr().err
    assert "cannot write as its own generation_config.json asks" in said
    assert "Traceback" not in said
