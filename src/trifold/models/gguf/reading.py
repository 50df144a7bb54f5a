"""A GGUF file's description of itself, checked before any weight is read.

Source: the GGUF specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trifold.errors import BackboneError, SettingsError
from trifold.models.backbone_files import quoted, reason_of

SUFFIX = ".gguf"
# What the parts of one model are called, and files beside it that read images.
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_IMAGE_READER = "mmproj"
# What the tensors of a layer are called.
_LAYER = re.compile(r"(?:enc\.|dec\.)?blk\.(\d+)\.")


@dataclass(frozen=True)
class GgufTensor:
    """A tensor of a GGUF file.

    Attributes:
        name: As GGUF calls it, such as `blk.0.attn_q.weight`.
        shape: Outermost first, as in PyTorch.
        kind: How it is quantised, one of `gguf.GGMLQuantizationType`.
        data: Its bytes in the file, `(rows, bytes of a row)`; numbers where it is not quantised.
    """

    name: str
    shape: tuple[int, ...]
    kind: Any
    data: np.ndarray

    @property
    def size(self) -> int:
        """How many weights it has."""
        return int(np.prod(self.shape, dtype=np.int64))

    def values(self, rows: np.ndarray | slice) -> np.ndarray:
        """The weights of some rows, in float32."""
        from gguf import dequantize

        found = dequantize(np.ascontiguousarray(self.data[rows]), self.kind)
        # A copy, where these are the file's own numbers: PyTorch takes none that may not be written to.
        return np.require(found, np.float32, "W")


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file that is whole.

    Attributes:
        path: The file.
        architecture: As GGUF calls it, such as `gemma3`.
        tensors: By their names.
    """

    path: Path
    architecture: str
    tensors: dict[str, GgufTensor]

    @property
    def weights(self) -> int:
        """How many weights it has."""
        return sum(tensor.size for tensor in self.tensors.values())


def gguf_in(folder: Path) -> Path | None:
    """The GGUF file in a folder; `None` where there is none.

    Raises:
        BackboneError: If there are several, or the model is cut into parts.
    """
    return one_of([path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.is_file()], str(folder))


def one_of(found: list[Path], where: str) -> Path | None:
    """The one GGUF file of some; `None` where there is none.

    Raises:
        BackboneError: If there are several, or the model is cut into parts.
    """
    models = [path for path in found if _IMAGE_READER not in path.name.lower()]
    if models and all(_PART.search(path.stem) for path in models):
        raise _in_parts(models[0])
    if len(models) > 1:
        names = ", ".join(path.name for path in models[:4]) + (", …" if len(models) > 4 else "")
        raise BackboneError(f"{where} holds {len(models)} GGUF files ({names}): name one, as {where}/{models[0].name}")
    return models[0] if models else None


def _in_parts(path: Path) -> BackboneError:
    return BackboneError(
        f"{path.name} is one part of a model in several: join them with llama-gguf-split --merge, and name the result"
    )


def require_gguf() -> None:
    """Refuse to go on without the package that reads GGUF.

    Raises:
        SettingsError: If it is not installed.
    """
    if importlib.util.find_spec("gguf") is None:
        raise SettingsError("GGUF files are read with gguf, not installed here: pip install 'trifold[gguf]'")


def read_gguf(path: Path) -> GgufFile:
    """Read what a GGUF file says of itself; its weights stay on disk.

    Raises:
        BackboneError: If it is none, is cut short, or is one part of several.
        SettingsError: If the package that reads it is not installed.
    """
    require_gguf()
    if _PART.search(path.stem):
        raise _in_parts(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise BackboneError(f"{path} is no GGUF file, or an incomplete one: download it again")
        from gguf import GGUFReader

        reader = GGUFReader(path)
        architecture = str(reader.fields["general.architecture"].contents())
        tensors = {tensor.name: tensor for tensor in _tensors(reader)}
        _require_layers(reader.fields.get(f"{architecture}.block_count"), tensors)
    except OSError as error:
        raise BackboneError(f"{path} cannot be read ({reason_of(error)}): check its name") from None
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise BackboneError(
            f"{path} is cut short or damaged ({quoted(reason_of(error))[1:-1]}): download it again"
        ) from None
    return GgufFile(path, architecture, tensors)


def _require_layers(said: Any, tensors: dict[str, GgufTensor]) -> None:
    """Refuse a file that says it has more layers than it holds: a model of so many might be built for hours.

    Args:
        said: The field with their number; `None` where there is none.
        tensors: By their names.

    Raises:
        ValueError: If it does.
    """
    layers = {found[1] for found in map(_LAYER.match, tensors) if found}
    if said is not None and layers and int(said.contents()) > len(layers):
        raise ValueError(f"it says that it has {int(said.contents()):,} layers, and holds {len(layers):,}")


def _tensors(reader: Any) -> Iterator[GgufTensor]:
    for tensor in reader.tensors:
        # GGUF names the innermost dimension first.
        shape = tuple(int(size) for size in reversed(tensor.shape))
        if tensor.data.nbytes != tensor.n_bytes:
            raise ValueError(f"{tensor.name} ends behind the file's end")
        yield GgufTensor(tensor.name, shape, tensor.tensor_type, tensor.data)
