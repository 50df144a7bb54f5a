"""What this machine offers, what of it would be used, and what to do about the rest; no connection is opened."""

import importlib.metadata
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trifold.cache_folder import cache_folder
from trifold.errors import TrifoldError
from trifold.events import say, track
from trifold.formatting import server_address
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import locate
from trifold.models.named_models import NAMED_MODELS, NamedModel
from trifold.pipeline.folder_size import folder_bytes
from trifold.runtime import (
    Runtime,
    available_bytes,
    bfloat16_pays,
    choose,
    compute_threads,
    cpu_multiplies_bfloat16,
    cpu_multiplies_int8,
    cpu_multiplies_tiles,
    hardware,
    has_nvidia_driver,
    is_busy,
    machine_load,
    memory_bytes,
    usable_cores,
)
from trifold.version import package_version, versions

# What each extra of the package is for.
_PURPOSES = {
    "excel": "Excel workbooks",
    "export": "ONNX graphs and --engine onnx",
    "files": "folders of PDF and HTML documents",
    "gemma-270m": "the language model gemma-270m (weights under the Gemma terms)",
    "gguf": "models in GGUF files",
    "grammar": "answers of models on this machine that obey a JSON Schema",
    "hub": "data sets of the hub",
    "llm": "language models behind a server",
    "search": "indexes of documents (trifold search)",
    "serve": "answers over HTTP (trifold serve)",
    "track": "experiment trackers",
}
# A package that an extra needs, as the metadata of a package writes it: `onnx>=1.19; extra == 'export'`.
_OF_EXTRA = re.compile(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]")
_LITTLE_MEMORY, _LITTLE_DISK = 2e9, 5e9
_ENGINES = ("torch", "onnx", "int8")


@dataclass(frozen=True)
class Machine:
    """The hardware, as far as this process may use it.

    Attributes:
        processor: Its name.
        cores: Usable ones.
        threads: Of numeric work.
        load: Processes that wanted a core over the last minute; `None` where the system does not tell.
        memory_bytes: In all.
        available_bytes: Of it, free for the taking.
        free_disk_bytes: In the folder that the command runs in.
        bfloat16: Whether the processor multiplies bfloat16.
        bfloat16_pays: Whether that is faster than float32, as measured just now.
        amx: Whether it multiplies whole tiles of bfloat16.
        vnni: Whether it has a dot product of 8-bit integers.
        gpus: Names of the GPUs that PyTorch sees.
        nvidia_driver: Whether an NVIDIA driver is installed.
    """

    processor: str
    cores: int
    threads: int
    load: float | None
    memory_bytes: int
    available_bytes: int
    free_disk_bytes: int
    bfloat16: bool
    bfloat16_pays: bool
    amx: bool
    vnni: bool
    gpus: list[str]
    nvidia_driver: bool


@dataclass(frozen=True)
class FoundEngine:
    """What computes a frozen minilm for a value of `--engine`.

    Attributes:
        setting: The value.
        name: Of the engine; `None` where there is none.
        precision: Of its matmuls.
        reason: Why it, or why none.
    """

    setting: str
    name: str | None
    precision: str | None
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything that `trifold doctor` tells.

    Attributes:
        versions: Name to version.
        system: The operating system.
        machine: The hardware.
        training: Device and precision of training.
        extras: Extra of the package to those of its packages that are missing.
        backbones: Name to size in bytes, of those on this machine.
        models: Each model with a short name to where it is found, or how to get it.
        minilm: Its folder, to load it without Trifold; `None` where it is not installed.
        caches: What is kept, by its folder, with its size in bytes.
        hub: Address without a password, whether it may be asked, and where its files are kept.
        engines: One for each value of `--engine`.
        advice: What to do, a sentence each.
    """

    versions: dict[str, str]
    system: str
    machine: Machine
    training: Runtime
    extras: dict[str, list[str]]
    backbones: dict[str, int]
    models: dict[str, str]
    minilm: str | None
    caches: dict[str, int]
    hub: dict[str, str | bool]
    engines: list[FoundEngine]
    advice: list[str]


def diagnose() -> Diagnosis:
    """Look at this machine."""
    say("looking at what this machine has, and trying what it computes with")
    with track("looking at this machine", 1):
        return _diagnose()


def _diagnose() -> Diagnosis:
    machine, training, extras = _machine(), choose(), _extras()
    minilm = _minilm()
    backbones = ({"minilm": minilm.size_bytes()} if isinstance(minilm, BackboneFiles) else {}) | _cached_models()
    return Diagnosis(
        versions=versions(),
        system=platform.platform(),
        machine=machine,
        training=training,
        extras=extras,
        backbones=backbones,
        models={name: _where(model) for name, model in NAMED_MODELS.items()},
        minilm=str(minilm.folder) if isinstance(minilm, BackboneFiles) else None,
        caches={str(folder): folder_bytes(folder) for folder in (cache_folder(), _hub_cache())},
        hub=_hub(),
        engines=[_engine(setting, minilm, training) for setting in _ENGINES],
        advice=[*_advice(machine), *_missing(extras), *([] if isinstance(minilm, BackboneFiles) else [minilm])],
    )


def _machine() -> Machine:
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Machine(
        processor=str(hardware()["cpu"]),
        cores=usable_cores(),
        threads=compute_threads(),
        load=machine_load(),
        memory_bytes=memory_bytes(),
        available_bytes=available_bytes(),
        free_disk_bytes=shutil.disk_usage(Path.cwd()).free,
        bfloat16=cpu_multiplies_bfloat16(),
        bfloat16_pays=bfloat16_pays(),
        amx=cpu_multiplies_tiles(),
        vnni=cpu_multiplies_int8(),
        gpus=gpus,
        nvidia_driver=has_nvidia_driver(),
    )


def _extras() -> dict[str, list[str]]:
    """As the installed package names them; nothing where it runs from a folder that was not installed."""
    try:
        named = importlib.metadata.requires("trifold") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    needed = [found.groups() for found in map(_OF_EXTRA.match, named) if found]
    return {
        extra: [package for package, of in needed if of == extra and package_version(package) is None]
        for extra in _PURPOSES
    }


def _minilm() -> BackboneFiles | str:
    """Its files, or in a sentence why there are none."""
    try:
        return locate("minilm", offline=True)
    except TrifoldError as error:
        return str(error)


def _where(model: NamedModel) -> str:
    """Where a model is found, or how to get it."""
    put_together = "packages, put together when it is first opened"
    found = {"cache": "cache", "hub cache": "hub's cache", "package": put_together if model.unpack else "package"}
    where = found.get(model.found_in())
    return f"in the {where}" if where else f"missing: {model.install}"


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _cached_models() -> dict[str, int]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        found = scan_cache_dir().repos
    except CacheNotFound:
        return {}
    return {
        one.repo_id: one.size_on_disk for one in sorted(found, key=lambda one: one.repo_id) if one.repo_type == "model"
    }


def _hub() -> dict[str, str | bool]:
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    return {"address": server_address(ENDPOINT), "offline": bool(HF_HUB_OFFLINE), "cache": str(_hub_cache())}


def _engine(setting: str, minilm: BackboneFiles | str, training: Runtime) -> FoundEngine:
    from trifold.engines.encoder import Encoder

    if isinstance(minilm, str):
        return FoundEngine(setting, None, None, minilm)
    try:
        encoder = Encoder(minilm, training, engine=setting)
    except TrifoldError as error:
        return FoundEngine(setting, None, None, str(error))
    return FoundEngine(setting, encoder.backend, encoder.precision, _why(encoder.precision, encoder.backend, training))


def _why(precision: str, name: str, training: Runtime) -> str:
    where = "the GPU" if training.device != "cpu" else "the processor"
    if precision == "bfloat16":
        return f"{where} multiplies bfloat16"
    if precision == "int8":
        return "PyTorch multiplies 8-bit integers here" if name.startswith("torch") else "PyTorch does not, here"
    return "ONNX Runtime computes in full precision" if name == "onnx" else f"{where} is not faster in bfloat16"


def _advice(machine: Machine) -> Iterator[str]:
    if is_busy(machine.load):
        yield "The machine is busy: what is measured or forecast now is slower than it could be."
    if machine.threads < machine.cores:
        yield f"OMP_NUM_THREADS leaves {machine.threads} of {machine.cores} cores to numeric work: unset it for all."
    if machine.available_bytes < _LITTLE_MEMORY:
        yield "Less than 2 GB of memory are free: close some programs before training a backbone."
    if machine.free_disk_bytes < _LITTLE_DISK:
        yield "Less than 5 GB of disk are free: trifold cache --clear frees what can be computed again."
    if machine.nvidia_driver and not machine.gpus:
        yield "There is an NVIDIA driver, and this PyTorch sees no GPU: install its CUDA build (pytorch.org)."
    if not machine.gpus and not machine.bfloat16:
        yield "The processor does not multiply bfloat16: --engine onnx computes frozen backbones faster."


def _missing(extras: dict[str, list[str]]) -> Iterable[str]:
    for extra, packages in extras.items():
        if packages:
            yield f"For {_PURPOSES[extra]}: pip install 'trifold[{extra}]' (missing: {', '.join(packages)})."
