"""Folders of sentence-transformers: what is done with an encoder's states, read from their files.

Source: the files that sentence-transformers 2 to 6 write, https://www.sbert.net.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from trifold.errors import BackboneError
from trifold.models.backbone_files import quoted
from trifold.models.vector_steps import Normalize, Step, read_dense
from trifold.schema import Size, read_facts, read_value

MODULES, MODEL_CONFIG = "modules.json", "config_sentence_transformers.json"
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
# Their names of poolings to ours.
POOLING_NAMES = {"mean": "mean", "cls": "first", "max": "max"}
# How earlier versions spelt them, in the order in which the vectors of several are joined.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_LONGEST = 1 << 20


class _Module(TypedDict):
    path: str
    type: str


class _Transformer(TypedDict):
    max_seq_length: Size | None
    do_lower_case: bool
    transformer_task: str


class _Pooling(TypedDict):
    pooling_mode: str | list[str]
    include_prompt: bool


class _Model(TypedDict):
    prompts: dict[str, str]
    default_prompt_name: str | None
    similarity_fn_name: str | None
    model_type: str


class _TokenizerConfig(TypedDict):
    """`model_max_length` may be any number: some are larger than 64 bits hold."""


@dataclass(frozen=True)
class SentenceModules:
    """What becomes of an encoder's states.

    Attributes:
        poolings: How a text's tokens are pooled; the vectors of several are joined.
        steps: What is done with the pooled vectors, in this order.
        max_length: Tokens of a text that are read; `None` where the folder does not say.
        lower_case: Whether texts are read in lower case.
        prompts: Name to what stands before a text.
        default_prompt: Name of the one that is used where none is asked for.
        similarity: How two vectors are compared, one of `SIMILARITIES`.
    """

    poolings: tuple[str, ...] = ("mean",)
    steps: tuple[Step, ...] = (Normalize(),)
    max_length: int | None = None
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = "cosine"


def encoder_folder(folder: Path) -> Path:
    """Where in a folder the encoder lies: in itself, or for folders of earlier versions in one inside."""
    if not (folder / MODULES).is_file():
        return folder
    modules = read_value(folder / MODULES, list[_Module])
    return _inside(folder, modules[0]["path"]) if modules else folder


def read_modules(folder: Path, name: str) -> SentenceModules:
    """What a folder says of pooling, normalisation and prompts; the usual where it is none of sentence-transformers.

    Args:
        folder: With `modules.json`, or any other.
        name: The model's, for messages.

    Raises:
        BackboneError: If it has a module, a pooling or an activation that is not computed here.
        ArtifactError: If a file of it is missing or damaged.
    """
    if not (folder / MODULES).is_file():
        return SentenceModules()
    modules = read_value(folder / MODULES, list[_Module])
    kinds = [
        one["type"].rpartition(".")[2] if one["type"].startswith("sentence_transformers.") else "" for one in modules
    ]
    places = [_inside(folder, one["path"]) for one in modules]
    for kind, one in zip(kinds, modules, strict=True):
        if kind not in ("Transformer", "Pooling", "Dense", "Normalize"):
            raise _unknown(name, f"the module {one['type']}")
    if kinds[:2] != ["Transformer", "Pooling"] or not {"Dense", "Normalize"}.issuperset(kinds[2:]):
        raise _unknown(name, f"its modules in the order {', '.join(kinds)}")
    max_length, lower_case = _read_transformer(places[0], name)
    steps = tuple(
        read_dense(place, name) if kind == "Dense" else Normalize()
        for kind, place in zip(kinds[2:], places[2:], strict=True)
    )
    model: Mapping[str, Any] = read_facts(folder / MODEL_CONFIG, _Model) if (folder / MODEL_CONFIG).is_file() else {}
    if model.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        raise BackboneError(f"{name} is a {model['model_type']}, which gives no vector of a text: give another model")
    similarity = model.get("similarity_fn_name") or "cosine"
    if similarity not in SIMILARITIES:
        raise _unknown(name, f"the similarity {quoted(similarity)}")
    return SentenceModules(
        _read_poolings(places[1], name),
        steps,
        max_length,
        lower_case,
        dict(model.get("prompts") or {}),
        model.get("default_prompt_name"),
        similarity,
    )


def _read_transformer(folder: Path, name: str) -> tuple[int | None, bool]:
    """Tokens of a text that are read, and whether texts are read in lower case."""
    found: Mapping[str, Any] = {}
    # Some earlier versions named the file after the architecture.
    for path in sorted(folder.glob("sentence_*_config.json"))[:1]:
        found = read_facts(path, _Transformer)
    if found.get("transformer_task", "feature-extraction") != "feature-extraction":
        raise _unknown(name, f"the task {quoted(found['transformer_task'])}")
    length = found.get("max_seq_length")
    config = folder / "tokenizer_config.json"
    if length is None and config.is_file():
        # Later versions leave it to the tokenizer, where a huge number stands for none.
        kept = read_facts(config, _TokenizerConfig).get("model_max_length")
        length = kept if isinstance(kept, int) and 0 < kept <= _LONGEST else None
    return length, found.get("do_lower_case", False)


def _read_poolings(folder: Path, name: str) -> tuple[str, ...]:
    path = folder / "config.json"
    if not path.is_file():
        raise BackboneError(f"{path} is missing: give a model that is whole")
    found = read_facts(path, _Pooling)
    given = found.get("pooling_mode")
    if given is None:
        given = [mode for flag, mode in _POOLING_FLAGS.items() if found.get(flag)] or ["mean"]
    modes = [given] if isinstance(given, str) else given
    for mode in modes:
        if mode not in POOLING_NAMES:
            raise _unknown(name, f"the pooling {quoted(mode)}")
    if not found.get("include_prompt", True):
        raise _unknown(name, "a pooling that leaves out the prompt (include_prompt)")
    return tuple(POOLING_NAMES[mode] for mode in modes)


def _inside(folder: Path, path: str) -> Path:
    """A place in a folder, which none that comes from anywhere may lead out of."""
    parts = Path(path).parts
    if Path(path).is_absolute() or ".." in parts:
        raise BackboneError(f"{folder / MODULES} names {quoted(path)}, which lies outside it: give a whole model")
    return folder / path


def _unknown(name: str, what: str) -> BackboneError:
    return BackboneError(
        f"{name} has {what}, which is not computed here: give a model of the modules Transformer, Pooling (mean, cls, "
        "max), Dense and Normalize, or embed its texts with sentence-transformers"
    )
