"""`finetune --task generate`: a decoder learns to answer prompts, whole or through low-rank adapters.

These methods stand beside those of `contract.py`. What they learn from is the same pair of parts; what comes out are
texts, of which there are no logits, labels, temperature or thresholds, so none of them is ever in a leaderboard.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trifold.artifact.arrays import write_state
from trifold.errors import BackboneError
from trifold.events import say
from trifold.formatting import counted
from trifold.methods.contract import Adaptation
from trifold.methods.defaults import FULL, LORA, Defaults, tuning_epochs
from trifold.methods.training_config import chosen_for, make_training_config
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.loading import save_model
from trifold.models.locate import describe_base, find_backbone
from trifold.models.lora import add_adapter, load_adapter, save_adapter
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.pretrain.answer_objective import BEHIND_PROMPT, Answers, tokenise_answers
from trifold.pretrain.generation import continue_end
from trifold.pretrain.language_models import head_objective, language_model, saved_model
from trifold.pretrain.perplexity import Measures, measures
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.runtime import Runtime, choose, seed_everything
from trifold.train.history import History
from trifold.train.loop import train as train_model
from trifold.train.objective import evaluate
from trifold.types import Examples

_LONGEST_ANSWER = 64


class AnsweringDecoder:
    """A decoder that learned to answer: texts out, where a `Predictor` gives logits.

    Args:
        model: Of transformers, whole or with an adapter.
        files: The backbone that it was trained from, whose tokenizer it has.
        settings: How much of a text it reads, and how it is run.
        runtime: Device and precision.
    """

    def __init__(self, model: Any, files: BackboneFiles, settings: BackboneSettings, runtime: Runtime) -> None:
        self.model, self.files, self.runtime = model, files, runtime
        self._max_length = settings.max_length
        self._token_budget = settings.token_budget or runtime.token_budget
        self._vocabulary = Vocabulary.of(files, "clm")

    def tokenise(self, part: Examples) -> Answers:
        """Prompts and answers as the objective that they are learned by."""
        return tokenise_answers(part, self._vocabulary, self._max_length, self.runtime.device)

    def measure(self, part: Examples) -> Measures:
        """How well the model knows the answers to the prompts."""
        answers = self.tokenise(part)
        figures = evaluate(self.model, answers, self._token_budget, self.runtime)
        tokens = int((answers.lengths - answers.begins).sum())
        said = sum(len(self._vocabulary.seen(str(answer)).encode()) for answer in part.labels)
        return measures("clm", figures.loss, figures.accuracy, tokens, said)

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """The answer to each prompt, always of the likeliest words."""
        likeliest = WritingSettings(max_new_tokens=_LONGEST_ANSWER, temperature=0.0)
        return [continue_end(self.model, self.files, prompt + BEHIND_PROMPT, likeliest).strip() for prompt in prompts]


@dataclass(frozen=True)
class FittedDecoder:
    """What `GenerativeMethod.fit` returns.

    Attributes:
        decoder: Ready to use.
        history: Of the training.
        trainable_parameters: Numbers that were learned.
        choices: As in `Fitted`.
        truncated: Training and validation rows that were too long to be read whole.
    """

    decoder: AnsweringDecoder
    history: History
    trainable_parameters: int
    choices: dict[str, object]
    truncated: int


class GenerativeMethod(Adaptation):
    """A way to teach a decoder answers.

    Attributes:
        defaults: The method's values for what the user did not set.
    """

    defaults: ClassVar[Defaults]

    @abstractmethod
    def build(self, files: BackboneFiles) -> Any:
        """The model before training; its parameters that require a gradient are trained."""

    @abstractmethod
    def save_weights(self, model: Any, folder: Path) -> None:
        """Write what was trained."""

    @abstractmethod
    def load_weights(self, folder: Path, files: BackboneFiles) -> Any:
        """The inverse of `save_weights`, on the backbone `files`."""

    def backbone(self) -> BackboneFiles:
        """The decoder that the settings name.

        Raises:
            BackboneError: If it is nowhere, is no decoder, or reads fewer tokens than are asked for.
        """
        files = find_backbone(self.settings.backbone)
        if head_objective(files) != "clm":
            raise BackboneError(
                f"{files.name} reads text and does not write it: name a decoder with --model, or make one with "
                "trifold pretrain TEXT.txt --objective clm --from-scratch"
            )
        places = context_length(read_config(files))
        if places is not None and self.settings.backbone.max_length > places:
            raise BackboneError(f"{files.name} reads at most {places} tokens: use --max-length {places} or less")
        return files

    def fit(self, train: Examples, validation: Examples) -> FittedDecoder:
        """Learn from `train`; choose the best epoch on `validation`, never learning from it.

        Args:
            train: Prompts as texts, answers as labels.
            validation: More of them.
        """
        chosen, given, files = self.settings.backbone, self.settings.train, self.backbone()
        runtime = choose(chosen.device, chosen.precision)
        seed_everything(given.seed)
        decoder = AnsweringDecoder(self.build(files).to(runtime.device), files, chosen, runtime)
        parts = decoder.tokenise(train), decoder.tokenise(validation)
        epochs = given.epochs or tuning_epochs(len(train))
        budget = chosen.token_budget or runtime.token_budget
        config = make_training_config(self.name, self.defaults, given, epochs=epochs, token_budget=budget)
        parameters = sum(weight.numel() for weight in decoder.model.parameters() if weight.requires_grad)
        say(
            f"{self.name}: {files.name} learns {counted(len(train), 'answer')}, {parameters:,} parameters, "
            f"{counted(config.epochs, 'epoch')}, learning rate {config.learning_rate:g}, batch {config.batch_size}, "
            f"{runtime.precision} on {runtime.device}"
        )
        history, _ = train_model(decoder.model, *parts, config, runtime)
        truncated = sum(part.truncated for part in parts)
        return FittedDecoder(decoder, history, parameters, chosen_for(config, history, runtime), truncated)

    def save(self, decoder: AnsweringDecoder, folder: Path) -> None:
        """Write everything that `reload` and `trifold generate` need."""
        self.save_weights(decoder.model, folder)
        copy_tokenizer(decoder.files, folder)
        write_state(folder, {"behind_prompt": BEHIND_PROMPT, **describe_base(decoder.files)}, {})

    def reload(self, folder: Path) -> AnsweringDecoder:
        """What was saved in `folder`, by the settings that it was learned with."""
        chosen, files = self.settings.backbone, self.backbone()
        runtime = choose(chosen.device, chosen.precision)
        return AnsweringDecoder(self.load_weights(folder, files).to(runtime.device), files, chosen, runtime)


class GenerativeFull(GenerativeMethod):
    """The whole decoder is trained; what is saved is an ordinary decoder's folder."""

    name = "full"
    summary = "the whole decoder is trained on answers"
    defaults = FULL

    def build(self, files: BackboneFiles) -> Any:
        """See `GenerativeMethod.build`."""
        return language_model(files, "clm")

    def save_weights(self, model: Any, folder: Path) -> None:
        """See `GenerativeMethod.save_weights`."""
        save_model(model, folder)

    def load_weights(self, folder: Path, files: BackboneFiles) -> Any:
        """See `GenerativeMethod.load_weights`."""
        return saved_model(BackboneFiles(folder, str(folder), None, files.trust_remote_code), "clm")


class GenerativeLora(GenerativeMethod):
    """Low-rank adapters of a frozen decoder are trained; what is saved is peft's, and names its base."""

    name = "adapter-lora"
    summary = "the decoder is frozen, low-rank matrices beside its own are trained on answers"
    defaults = LORA

    def build(self, files: BackboneFiles) -> Any:
        """See `GenerativeMethod.build`."""
        rank = self.settings.tuning.adapter_size
        return add_adapter(
            language_model(files, "clm"), files, rank, task_type="CAUSAL_LM", target_modules="all-linear"
        )

    def save_weights(self, model: Any, folder: Path) -> None:
        """See `GenerativeMethod.save_weights`."""
        save_adapter(model, folder)

    def load_weights(self, folder: Path, files: BackboneFiles) -> Any:
        """See `GenerativeMethod.load_weights`."""
        return load_adapter(saved_model(files, "clm"), folder)
