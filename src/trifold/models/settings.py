"""Settings of the backbone: which model, and how it is run."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from trifold.errors import require

# Windows of a text where the user names no number: of 250 tokens each, some 1,500 tokens or three pages of print.
MAX_WINDOWS = 8


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """How a model is run.

    Attributes:
        device: Where to compute.
        precision: Number format of matrix products; auto takes bfloat16 where products are faster in it.
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
        long_text: Of a longer text, read its beginning (truncate); a quarter from its beginning and the rest from its
            end; or all of it in overlapping windows of that many tokens, which are averaged and take as many times
            longer.
        max_windows: With --long-text window, read at most so many windows of a text (8), evenly spread where it has
            more.
        engine: What runs a frozen backbone: PyTorch; or on a CPU ONNX Runtime in full precision (onnx), faster where
            the processor does not multiply bfloat16, which PyTorch takes where it does; or 8-bit integers (int8), a
            little less exact and 1.4 to 2 times as fast, of PyTorch where the model is a BERT and the processor
            multiplies them, else of ONNX Runtime. A trained model goes on with the one it was trained with.
    """

    max_length: int | None = None
    long_text: Literal["truncate", "head+tail", "window"] = "truncate"
    max_windows: int | None = None
    engine: Literal["torch", "onnx", "int8"] = "torch"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.max_length
        require(given is None or given >= 3, f"--max-length {given}", "it leaves no room for a word, give 3 or more")
        windows, asked = self.max_windows, f"--max-windows {self.max_windows}"
        require(windows is None or windows > 1, asked, "give 2 or more, or leave --long-text window out")
        require(windows is None or self.long_text == "window", asked, "it is for --long-text window")
        require(
            self.engine != "onnx" or self.precision != "bfloat16",
            "--precision bfloat16 with --engine onnx",
            "it computes in float32, leave one of them out",
        )


def reach_in_words(max_length: int, long_text: str, max_windows: int | None) -> str:
    """What is read of a text at most, from the settings of those names."""
    windows = f"{max_windows or MAX_WINDOWS} windows of " if long_text == "window" else ""
    return f"{windows}{max_length:,} tokens"


@dataclass(frozen=True, kw_only=True)
class BackboneSettings(EncodingSettings):
    """Which backbone, and how it is run.

    Attributes:
        max_length: Tokens of a text that are read, special tokens included; the rest is cut off and counted.
        model: `minilm`; `mpnet`, five times as large; `gemma-270m`, a decoder (under the Gemma terms,
            ai.google.dev/gemma/terms); a folder; a GGUF file; or a hub id such as bert-base-uncased. compare takes
            several, with commas between.
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

    @property
    def reach(self) -> str:
        """What is read of a text at most, in words."""
        return reach_in_words(self.max_length, self.long_text, self.max_windows)
