"""GGUF files: what is computed with one is what transformers computes, and what is wrong is said before it is read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from gguf_files import KINDS, write_gguf
from trifold.cache_folder import clear
from trifold.errors import BackboneError, LlmError, SettingsError
from trifold.llm.open_model import open_llm
from trifold.llm.settings import LlmSettings
from trifold.models import available_memory
from trifold.models.gguf import conversion
from trifold.models.gguf.conversion import list_models
from trifold.models.gguf.reading import read_gguf
from trifold.models.gguf.weights import WRITTEN_HERE
from trifold.models.loading import load_model
from trifold.models.locate import describe_base, find_base, locate
from trifold.models.settings import ComputeSettings

TEXT = "the film is good, 7 of 10"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf")


def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "number_format", lambda: "float32")


def by_transformers(path: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype).eval()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", KINDS)
def test_every_weight_is_that_of_transformers(
    architecture: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "number_format", lambda: dtype)
    path = write_gguf(tmp_path / f"{architecture}.gguf", architecture)
    files = locate(str(path))
    ours = load_model("AutoModelForCausalLM", files, whole=True, dtype=getattr(torch, dtype)).eval()
    theirs = by_transformers(path, getattr(torch, dtype))
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert found[name].dtype == weight.dtype
        torch.testing.assert_close(found[name], weight, atol=0, rtol=0, msg=name)
    ids = torch.tensor([[2, 200, 17, 259, 261, 40]])
    with torch.inference_mode():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits)


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen3"])
def test_a_text_has_the_tokens_that_transformers_gives_it(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    path = write_gguf(tmp_path / f"{architecture}.gguf", architecture)
    theirs = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    ours = AutoTokenizer.from_pretrained(locate(str(path)).folder)
    assert ours(TEXT).input_ids == theirs(TEXT).input_ids
    assert (ours.bos_token, ours.eos_token, ours.pad_token) == (theirs.bos_token, theirs.eos_token, theirs.pad_token)


def test_gpt2_is_left_to_transformers_and_the_others_are_written_a_few_rows_at_a_time() -> None:
    assert set(KINDS) - set(WRITTEN_HERE) == {"gpt2"}


def test_it_is_converted_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locate(str(file))
    assert first.sha256() == conversion.file_sha256(file)
    monkeypatch.setattr(conversion, "_convert", None)
    monkeypatch.setattr(conversion, "file_sha256", None)
    assert locate(str(file)) == first
    assert [one.path for one in list_models()] == [first.folder]
    # Somewhere else it is the same file.
    monkeypatch.undo()
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(file.read_bytes())
    assert locate(str(copy)).folder == first.folder


def test_another_file_of_the_same_name_is_converted_anew(file: Path) -> None:
    first = locate(str(file))
    write_gguf(file, seed=1)
    assert locate(str(file)).folder != first.folder


def test_of_the_models_those_opened_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_MAX_MODELS", 1)
    old = locate(str(write_gguf(tmp_path / "old.gguf", seed=3)))
    new = locate(str(write_gguf(tmp_path / "new.gguf", seed=4)))
    assert not old.folder.exists()
    assert new.folder.exists()


def test_a_folder_with_a_gguf_file_in_it_is_a_model(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file.rename(folder / "model.gguf")
    (folder / "mmproj-model.gguf").write_bytes(b"GGUF")
    # What lies beside the file does not change it.
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    files = locate(str(folder))
    assert files.name == str(folder.resolve())
    assert files.folder == locate(str(folder / "model.gguf")).folder
    write_gguf(folder / "other.gguf", seed=1)
    with pytest.raises(
        BackboneError, match=r"holds 2 GGUF files \(model.gguf, other.gguf\): name one, as .*/model.gguf"
    ):
        locate(str(folder))


def test_a_language_model_is_opened_from_it_and_writes(file: Path) -> None:
    from trifold.llm.contract import Sampling
    from trifold.llm.prompt_template import Message

    model = open_llm(LlmSettings(llm=f"hf:{file}"), ComputeSettings(offline=True, device="cpu"))
    answer = model.complete((Message("user", TEXT),), Sampling(3, 0.0))  # type: ignore[union-attr]
    assert answer.answer_tokens <= 3


def test_a_run_finds_it_again(file: Path, tmp_path: Path) -> None:
    saved = describe_base(locate(str(file)))
    assert find_base(saved, tmp_path, offline=True).folder == locate(str(file)).folder
    # By the folder that it became, too.
    assert find_base({**saved, "base": str(locate(str(file)).folder)}, tmp_path, offline=True).name == saved["base"]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(share: float, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackboneError, match=r"download it again") as caught:
        locate(str(file))
    assert "\n" not in str(caught.value)
    assert not list_models()


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(BackboneError, match="is no GGUF file, or an incomplete one: download it again"):
        locate(str(path))


def test_a_part_of_a_model_is_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        write_gguf(tmp_path / f"big-0000{number}-of-00002.gguf")
    for name in (tmp_path, tmp_path / "big-00001-of-00002.gguf"):
        with pytest.raises(BackboneError, match=r"is one part of a model in several: join them with llama-gguf-split"):
            locate(str(name))


def test_a_lacking_weight_is_named(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", leave_out="blk.1.ffn_up.weight")
    with pytest.raises(BackboneError, match=r"lacks 1 of its model's weights \(model.layers.1.mlp.up_proj.weight\)"):
        locate(str(path))
    assert not list_models()


def set_number(file: Path, name: str, number: int) -> None:
    """Put another number into a file's description of itself."""
    content = file.read_bytes()
    # Behind the name stand the number's type and the number, four bytes each.
    place = content.index(name.encode()) + len(name) + 4
    file.write_bytes(content[:place] + number.to_bytes(4, "little") + content[place + 4 :])


@pytest.mark.parametrize("layers", [3, 100_000, 2**32 - 1])
def test_more_layers_than_the_file_holds_are_refused_at_once(layers: int, file: Path) -> None:
    """A model of a hundred thousand layers would be built for minutes before a weight is missed."""
    set_number(file, "llama.block_count", layers)
    with pytest.raises(BackboneError, match=rf"says that it has {layers:,} layers, and holds 2\): download it again"):
        locate(str(file))
    assert not list_models()


@pytest.mark.parametrize(
    ("name", "number"),
    [("attention.head_count", 0), ("attention.head_count", 7), ("attention.head_count_kv", 0), ("embedding_length", 0)],
)
def test_a_description_of_no_model_is_refused(name: str, number: int, file: Path) -> None:
    set_number(file, f"llama.{name}", number)
    with pytest.raises(BackboneError):
        locate(str(file))
    assert not list_models()


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    import gguf

    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_block_count(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(BackboneError, match=r"tiny.gguf is a clip, which transformers does not read from GGUF"):
        locate(str(path))


def test_a_model_beyond_the_memory_is_refused_before_it_is_read(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_gguf(file).weights
    monkeypatch.setattr(available_memory, "available_bytes", lambda: weights)
    monkeypatch.setattr(conversion, "_convert", None)
    with pytest.raises(LlmError, match=r"billion weights, which take .* of memory are free: give a smaller model"):
        open_llm(LlmSettings(llm=f"hf:{file}"), ComputeSettings(offline=True))
    monkeypatch.undo()
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    files = locate(str(file))
    monkeypatch.setattr(available_memory, "available_bytes", lambda: weights)
    with pytest.raises(BackboneError, match=r"billion weights, which take .* of memory are free: give a smaller model"):
        load_model("AutoModelForCausalLM", files)


def test_a_disk_without_room_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: usage(0, 0, 100))
    with pytest.raises(
        SettingsError, match=r"are free.: free some room there, or name another folder in TRIFOLD_CACHE"
    ):
        locate(str(file))


def test_a_disk_that_fills_up_while_transformers_writes_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes the weights then has an error of its own, which is no fault of the file."""
    from safetensors import SafetensorError

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("huggingface_hub.save_torch_model", full)
    with pytest.raises(SettingsError, match=r"No space left on device.*free some room there") as caught:
        locate(str(write_gguf(tmp_path / "tiny.gguf", "gpt2")))
    assert "safetensors format" not in str(caught.value)
    assert not list_models()


def test_without_the_package_it_is_said_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        SettingsError, match=r"GGUF files are read with gguf, not installed here: pip install 'trifold\[gguf"
    ):
        locate(str(file))


def test_what_says_that_it_was_converted_is_believed_in_the_cache_alone(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(locate(str(file)).folder, elsewhere)
    assert locate(str(elsewhere)).source_sha256 is None


def test_two_at_once_convert_it_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    convert, calls = conversion._convert, []

    def counted(*given: Any) -> None:
        calls.append(given)
        convert(*given)

    monkeypatch.setattr(conversion, "_convert", counted)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(locate, [str(file)] * 2)
    assert first == second
    assert len(calls) == 1


def test_what_a_killed_conversion_left_is_cleared_away(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = locate(str(file)).folder
    shutil.rmtree(folder)
    left = folder.with_name(f".{folder.name}.0123abcd.partial")
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert locate(str(file)).folder == folder
    assert not left.exists()


def test_a_conversion_that_fails_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "write_weights", fail)
    with pytest.raises(KeyboardInterrupt):
        locate(str(file))
    assert not [path for path in conversion.models_folder().iterdir() if path.is_dir()]


def test_clearing_the_cache_removes_it(file: Path) -> None:
    files = locate(str(file))
    size = files.size_bytes()
    assert clear() >= size
    assert not list_models() or not list_models()[0].size_bytes
    assert locate(str(file)) == files
