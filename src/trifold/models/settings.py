"""Settings of the backbone: which model, and how it is run."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """How a model is run.

    Attributes:
        device: Where to compute.
        precision: Number format of matrix products; auto takes bfloat16 where the hardware multiplies it natively.
        token_budget: Tokens of one forward pass, padding included; it never changes results. By default the fastest
            on this machine, which is measured once if the work is large.
        offline: Open no connection; models must be in the local cache, a folder, or bundled.
        trust_remote_code: Run classes that a model brings with it (auto_map): only if you have read that code and trust
            it. A run folder never brings this along, so it is given each time.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    token_budget: int | None = None
    offline: bool = False
    trust_remote_code: Annotated[bool, Parameter(negative=())] = False

    def __post_init__(self) -> None:
        given = self.token_budget
        require(given is None or given > 0, f"--token-budget {given}", "give a positive number, such as 4096")


@dataclass(frozen=True, kw_only=True)
class EncodingSettings(ComputeSettings):
    """How a backbone encodes texts.

    Attributes:
        max_length: Tokens of a text that are read, special tokens included; the rest is cut off and counted. By default
            what the model was saved with, else 250.
        long_text: Of a longer text, read its beginning, or a quarter from its beginning and the rest from its end.
        engine: What runs a frozen backbone: PyTorch; or on a CPU ONNX Runtime in full precision (onnx), faster where
            the processor does not multiply bfloat16, which PyTorch takes where it does; or 8-bit integers (int8), a
            little less exact and 1.4 to 2 times as fast, of PyTorch where the model is a BERT and the processor
            multiplies them, else of ONNX Runtime. A trained model goes on with the one it was trained with.
    """

    max_length: int | None = None
    long_text: Literal["truncate", "head+tail"] = "truncate"
    engine: Literal["torch", "onnx", "int8"] = "torch"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.max_length
        require(given is None or given >= 3, f"--max-length {given}", "it leaves no room for a word, give 3 or more")
        require(
            self.engine != "onnx" or self.precision != "bfloat16",
            "--precision bfloat16 with --engine onnx",
            "it computes in float32, leave one of them out",
        )


@dataclass(frozen=True, kw_only=True)
class BackboneSettings(EncodingSettings):
    """Which backbone, and how it is run.

    Attributes:
        max_length: Tokens of a text that are read, special tokens included; the rest is cut off and counted.
        model: `minilm`, a folder, or a hub id such as bert-base-uncased; compare takes several, with commas between.
        revision: Commit, tag or branch of a model from the hub; its main branch by default.
        cache: Keep on disk what a frozen backbone computes from a text, for other methods, heads, epochs and runs.
        cache_gigabytes: Size limit of that cache; what was not used for longest is removed first.
    """

    max_length: int = 250
    model: str = "minilm"
    revision: str | None = None
    cache: bool = True
    cache_gigabytes: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.cache_gigabytes > 0, f"--cache-gigabytes {self.cache_gigabytes}", "give more, or --no-cache")

    @property
    def cache_bytes(self) -> int:
        """The limit in bytes."""
        return int(1e9 * self.cache_gigabytes)
