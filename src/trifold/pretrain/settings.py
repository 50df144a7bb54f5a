"""Settings of pretraining and of writing text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trifold.data.settings import TextSettings
from trifold.errors import require
from trifold.models.settings import ComputeSettings
from trifold.train.settings import OptimiserSettings

ObjectiveName = Literal["mlm", "clm"]
SMALLEST_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(TextSettings):
    """How unlabelled text is read, held out and packed.

    Attributes:
        documents: What one document of a .txt file is; of a table, each row is one.
        exclude: Leave out documents that also stand in this file of texts, such as the rows of a later test; may be
            given several times.
        block_size: Tokens of a packed block, special tokens included.
        validation_tokens: Tokens held out for validation: whole documents, or the end of the text if it has few
            documents; at most a tenth of the text, or a quarter if a block needs that.
    """

    documents: Literal["file", "line", "paragraph"] = "file"
    exclude: tuple[Path, ...] = ()
    block_size: int = 256
    validation_tokens: int = 131_072

    def __post_init__(self) -> None:
        require(self.block_size >= SMALLEST_BLOCK, f"--block-size {self.block_size}", f"give {SMALLEST_BLOCK} or more")
        require(self.validation_tokens > 0, f"--validation-tokens {self.validation_tokens}", "give a positive number")


@dataclass(frozen=True, kw_only=True)
class SourceSettings(ComputeSettings):
    """Which model is trained on, and how it is run.

    Attributes:
        model: `minilm`, `mpnet`, `gemma-270m`, a folder, a run folder, a GGUF file, or a hub id; an encoder for mlm and
            a decoder for clm.
        revision: Commit, tag or branch of a model from the hub; its main branch by default.
    """

    model: str = "minilm"
    revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScratchSettings:
    """A new model with a new tokenizer, instead of going on from one.

    Attributes:
        from_scratch: Train a new tokenizer and a new model on nothing but the text.
        tokenizer: How text is cut into pieces; by default wordpiece for mlm, and bpe, which loses nothing, for clm.
        vocab_size: Pieces of the new tokenizer.
        lowercase: Let a wordpiece tokenizer make everything lower case.
        layers: Number of layers of the new model.
        hidden_size: Width of the new model.
        heads: Attention heads of the new model.
    """

    from_scratch: Annotated[bool, Parameter(negative=())] = False
    tokenizer: Literal["auto", "wordpiece", "bpe"] = "auto"
    vocab_size: int = 16_000
    lowercase: bool = False
    layers: int = 4
    hidden_size: int = 256
    heads: int = 4

    def __post_init__(self) -> None:
        for name, least in (("vocab_size", 64), ("layers", 1), ("hidden_size", 1), ("heads", 1)):
            value = getattr(self, name)
            require(value >= least, f"--{name.replace('_', '-')} {value}", f"give {least} or more")
        require(
            self.hidden_size % self.heads == 0,
            f"--hidden-size {self.hidden_size} with --heads {self.heads}",
            "the heads share the width, give a multiple of them",
        )

    def algorithm(self, objective: ObjectiveName) -> Literal["wordpiece", "bpe"]:
        """The tokenizer's kind, chosen where the user left it open."""
        if self.tokenizer == "auto":
            return "wordpiece" if objective == "mlm" else "bpe"
        return self.tokenizer


@dataclass(frozen=True, kw_only=True)
class LearningSettings(OptimiserSettings):
    """What is learned from the text, and for how long: in passes (1 by default), tokens or minutes.

    Attributes:
        mlm_probability: Share of the words that are masked, whole words at a time.
        max_tokens: Train on so many tokens instead of whole passes.
        time_limit: Minutes of training, kept by the clock: the learning rate reaches zero when they end.
        validations: How often validation is measured on the way.
    """

    mlm_probability: float = 0.15
    max_tokens: int | None = None
    time_limit: float | None = None
    validations: int = 10
    patience: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        share, tokens, minutes = self.mlm_probability, self.max_tokens, self.time_limit
        require(0 < share < 1, f"--mlm-probability {share}", "give a share between 0 and 1, such as 0.15")
        require(tokens is None or tokens > 0, f"--max-tokens {tokens}", "give a positive number, such as 10000000")
        require(minutes is None or minutes > 0, f"--time-limit {minutes}", "give minutes, such as 45")
        require(self.validations > 0, f"--validations {self.validations}", "give 1 or more")
        budgets = [flag for flag in ("epochs", "max_tokens", "time_limit") if getattr(self, flag) is not None]
        named = " and ".join(f"--{flag.replace('_', '-')}" for flag in budgets)
        require(len(budgets) < 2, named, "name one budget: passes, tokens or minutes")


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """What finetune does besides learning labels.

    Attributes:
        target_column: For --task generate: column that holds the answers; --text-column holds the prompts.
        pretrain_on: Pretrain on this unlabelled text first, and report what it gains; may be given several times.
        pretrain_minutes: With --pretrain-on: minutes of pretraining; one pass by default.
    """

    target_column: str | None = None
    pretrain_on: tuple[Path, ...] = ()
    pretrain_minutes: float | None = None

    def __post_init__(self) -> None:
        minutes = self.pretrain_minutes
        require(minutes is None or minutes > 0, f"--pretrain-minutes {minutes}", "give minutes, such as 10")
        require(minutes is None or bool(self.pretrain_on), "--pretrain-minutes", "it goes with --pretrain-on TEXT")

    def require_for(self, task: str) -> None:
        """Refuse what does not go with the task.

        Raises:
            SettingsError: If there is such.
        """
        generates = task == "generate"
        require(generates or not self.target_column, "--target-column", "it goes with --task generate")
        taught = task in ("generate", "similarity")
        require(not taught or not self.pretrain_on, f"--pretrain-on with --task {task}", "run pretrain by itself")


@dataclass(frozen=True, kw_only=True)
class WritingSettings:
    """How text is written.

    Attributes:
        max_new_tokens: Tokens to write at most; by default 100, or as many as the model has room for.
        temperature: 0 always takes the most likely word; higher values take less likely words more often.
        top_p: Choose among the most likely words that together have this probability.
        top_k: Choose among so many of the most likely words; 0 for all.
        repetition_penalty: Above 1, words that were written before become less likely.
        stop: End before this text; may be given several times.
        num_return_sequences: Number of continuations.
        seed: Seed of the random choices.
    """

    max_new_tokens: int | None = None
    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    num_return_sequences: int = 1
    seed: int = 42

    def __post_init__(self) -> None:
        tokens = self.max_new_tokens
        require(tokens is None or tokens > 0, f"--max-new-tokens {tokens}", "give 1 or more")
        require(self.temperature >= 0, f"--temperature {self.temperature}", "give 0 or more, such as 0.8")
        require(0 < self.top_p <= 1, f"--top-p {self.top_p}", "give a probability, such as 0.95")
        require(self.top_k >= 0, f"--top-k {self.top_k}", "give 0 or more")
        require(self.repetition_penalty > 0, f"--repetition-penalty {self.repetition_penalty}", "give such as 1.2")
        count = self.num_return_sequences
        require(count > 0, f"--num-return-sequences {count}", "give 1 or more")
        alone = "with --temperature 0 there is one way to go on: leave it out, or give a temperature"
        require(count == 1 or self.temperature > 0, f"--num-return-sequences {count}", alone)
        require(all(self.stop), '--stop ""', "give some text")
