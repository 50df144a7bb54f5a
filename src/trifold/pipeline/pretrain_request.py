"""What was asked of `pretrain`, as one value that can be turned back into the command line."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trifold.errors import require
from trifold.pipeline.request import as_argument, flags_of
from trifold.pipeline.resume import NO_SAY, model_hashes, plain
from trifold.pretrain.settings import CorpusSettings, LearningSettings, ObjectiveName, ScratchSettings, SourceSettings
from trifold.pretrain.text_files import Documents


@dataclass(frozen=True)
class PretrainRequest:
    """Texts and every setting that has a say in what is learned from them.

    Attributes:
        sources: Files, folders or data sets of the hub.
        objective: Masked or next words.
        corpus: How the text is read and packed.
        source: Which model, and how it is run.
        scratch: Whether it is a new one.
        learning: What is learned, and for how long.
    """

    sources: tuple[Path, ...]
    objective: ObjectiveName = "mlm"
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    source: SourceSettings = field(default_factory=SourceSettings)
    scratch: ScratchSettings = field(default_factory=ScratchSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)

    def command(self) -> str:
        """The command line that makes the same request."""
        groups = (self.corpus, self.source, self.scratch, self.learning)
        flags = [flag for group in groups for flag in flags_of(group)]
        texts = [as_argument(source) for source in self.sources]
        return shlex.join(["trifold", "pretrain", *texts, "--objective", self.objective, *flags])

    def asked(self) -> dict[str, Any]:
        """What decides on the model: files by their bytes, and every setting that has a say."""
        groups = (self.corpus, self.source, self.scratch, self.learning)
        settings = {name: value for group in groups for name, value in vars(group).items() if name not in NO_SAY}
        model = {"model_sha256": model_hashes(self.source.model)}
        text = {"text_sha256": Documents(self.sources, self.corpus).address()}
        return plain({"method": "pretrain", "objective": self.objective, **settings, **model, **text})

    def require_used(self) -> None:
        """Refuse what would change nothing.

        Raises:
            SettingsError: If something is named that goes with another choice.
        """
        source, scratch, learning = self.source, self.scratch, self.learning
        if scratch.from_scratch:
            named = [name for name in ("model", "revision") if getattr(source, name) != getattr(SourceSettings, name)]
            way_out = "a new model has none to go on from, leave one of them out"
            require(not named, f"--{' and --'.join(named)} with --from-scratch", way_out)
        else:
            require(scratch == ScratchSettings(), " ".join(flags_of(scratch)), "it goes with --from-scratch")
        if self.objective == "clm":
            share = learning.mlm_probability
            require(
                share == LearningSettings.mlm_probability, f"--mlm-probability {share}", "it goes with --objective mlm"
            )
        bytewise = scratch.algorithm(self.objective) == "bpe"
        require(not (scratch.lowercase and bytewise), "--lowercase", "it goes with --tokenizer wordpiece")
