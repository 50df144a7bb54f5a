"""What each method will cost, roughly, from the size of the data and the speed of the machine. Pure arithmetic."""

from dataclasses import dataclass

from trifold.llm.call_pace import FIRST
from trifold.methods.defaults import ADAPTER, CONTRASTIVE, FULL, contrastive_steps, tuning_epochs
from trifold.methods.settings import MethodSettings

# Clipping, AdamW and clearing the gradients, measured on two cores.
_UPDATE_SECONDS_PER_PARAMETER = 4e-9
# Of `tfidf`, terms times labels: with thousands of labels only the most frequent terms are kept, to save memory.
MOST_WEIGHTS = 5_000_000
# What a language model on a server takes for a short answer, before one was measured.
_SECONDS_PER_ANSWER = 1.0


@dataclass(frozen=True)
class Workload:
    """How much there is to do and how fast this machine is: what a forecast is made from.

    Attributes:
        train_texts: Rows of the training part.
        validation_texts: Rows of the validation part.
        test_texts: Rows of the test part.
        characters_per_text: Mean.
        labels: Number of labels.
        tokens_per_text: Mean of those that are read. This and what follows is for methods that need a backbone.
        flops_per_token: Floating-point operations per token of one forward pass of the backbone.
        parameters: Number of parameters of the backbone.
        layers: Number of layers of the backbone.
        flops_per_second: Floating-point operations per second of this machine's matrix products, measured just now.
        llm_parameters: Parameters of the language model, where its weights are on this machine.
    """

    train_texts: int
    validation_texts: int
    test_texts: int
    characters_per_text: float
    labels: int = 2
    tokens_per_text: float = 0.0
    flops_per_token: float = 0.0
    parameters: int = 0
    layers: int = 1
    flops_per_second: float = 1.0
    llm_parameters: int = 0

    def encoding_seconds(self, texts: float) -> float:
        """Forward passes over `texts`. Real layers reach about 0.65 of the plain matrix product's rate."""
        return texts * self.tokens_per_text * self.flops_per_token / (0.65 * self.flops_per_second)


def tfidf_seconds(work: Workload, _settings: MethodSettings) -> float:
    """Measured: 0.7 s for a million characters, counting and fitting together, and 4 s around it.

    With many labels a million weights take 4 s more; there is a term for about eight characters.
    """
    characters = (work.train_texts + work.validation_texts + work.test_texts) * work.characters_per_text
    weights = min(characters / 8 * work.labels, MOST_WEIGHTS) if work.labels > 2 else 0.0
    return 4.0 + 0.7e-6 * characters + 4e-6 * weights


def zero_shot_seconds(work: Workload, _settings: MethodSettings) -> float:
    """The test texts are read, and some of the others to see what texts are like in general."""
    return 5.0 + work.encoding_seconds(work.test_texts + min(512, work.train_texts))


def features_seconds(work: Workload, _settings: MethodSettings) -> float:
    """Every text is read once, then small heads are tried: measured, 10 s around reading 2,000 texts, 22 for 10,000.

    With many labels the heads take their time.
    """
    heads = 4.0 + 1.2e-3 * work.train_texts * max(1.0, work.labels / 25)
    return 5.0 + heads + work.encoding_seconds(work.train_texts + work.validation_texts + work.test_texts)


def contrastive_seconds(work: Workload, settings: MethodSettings) -> float:
    """A fixed number of steps, whatever the rows, and then one pass over all texts."""
    steps = contrastive_steps(work.train_texts) * (settings.train.epochs or 1)
    texts = 3 * steps * (settings.train.batch_size or CONTRASTIVE.batch_size)
    passes = texts + work.train_texts + work.validation_texts + work.test_texts
    return 10.0 + work.encoding_seconds(passes) + steps * work.parameters * _UPDATE_SECONDS_PER_PARAMETER


def full_seconds(work: Workload, settings: MethodSettings) -> float:
    """A training step costs three forward passes and an update of every parameter."""
    steps = _epochs(work, settings) * work.train_texts / (settings.train.batch_size or FULL.batch_size)
    passes = _tuning_seconds(work, settings, 3.0, settings.tuning.train_layers)
    return passes + steps * work.parameters * _UPDATE_SECONDS_PER_PARAMETER


def adapter_seconds(work: Workload, settings: MethodSettings) -> float:
    """No gradient of the backbone's own matrices, but thin matrices on the way: measured, 2.6 forward passes a step."""
    steps = _epochs(work, settings) * work.train_texts / (settings.train.batch_size or ADAPTER.batch_size)
    return _tuning_seconds(work, settings, 2.6, settings.tuning.adapter_layers) + 0.02 * steps


def prompt_seconds(work: Workload, settings: MethodSettings) -> float:
    """Two operations for each parameter and token; a server is taken to need a second for an answer."""
    asked, llm = settings.prompting, settings.llm
    if not work.llm_parameters:
        return 3.0 + work.test_texts * asked.votes * _SECONDS_PER_ANSWER / (llm.concurrency or FIRST)
    # English has about four characters to a token. Examples are read once, unless each text has its own.
    tokens = min(settings.backbone.max_length, work.characters_per_text / 4) + 8
    own = asked.shots if asked.shot_choice == "nearest" else 0
    computed = (work.validation_texts + work.test_texts) * tokens * (1 + own)
    return 10.0 + computed * 2 * work.llm_parameters / (0.65 * work.flops_per_second)


def _tuning_seconds(work: Workload, settings: MethodSettings, passes_per_text: float, trained: int | None) -> float:
    """What lies below the `trained` top layers is computed once, the rest in every epoch."""
    frozen = 0.0 if trained is None else max(0.0, 1.0 - max(1, trained) / work.layers)
    every_epoch = passes_per_text * work.train_texts + work.validation_texts
    passes = _epochs(work, settings) * (1.0 - frozen) * every_epoch
    passes += frozen * (work.train_texts + work.validation_texts) + work.test_texts
    return 10.0 + work.encoding_seconds(passes)


def _epochs(work: Workload, settings: MethodSettings) -> int:
    return settings.train.epochs or tuning_epochs(work.train_texts)
