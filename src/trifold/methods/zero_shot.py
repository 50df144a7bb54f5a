"""`zero-shot`: no labelled text is used; a text gets the label whose name or description is nearest in meaning.

A text takes one forward pass, however many labels there are: the labels' vectors are computed once. Each label's mean
similarity to texts in general is subtracted, or a label with a common word as its name would win everywhere.

Source: Schopf et al. 2022, "Evaluating Unsupervised Text Classification: Zero-shot and Similarity-based Approaches".
"""

from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.encoder import Encoder, embed
from trifold.engines.pooled_model import PooledModel, mean_model
from trifold.errors import SettingsError
from trifold.events import say
from trifold.methods.contract import Exportable, Fitted, Method
from trifold.methods.export_graph import HeadOnEncoder
from trifold.methods.skip_reasons import labels_without_meaning
from trifold.methods.token_predictor import TokenPredictor
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import describe_base, find_backbone, find_base
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.vector_steps import unit_length
from trifold.runtime import choose
from trifold.tasks.labels import LabelMap, describe_labels
from trifold.types import Examples, Target, single_texts

# Their vectors are averaged, since any single wording favours some labels by accident.
_TEMPLATES = ("{}", "This text is {}.", "This is a text about {}.", "The subject is {}.", "An example of {}.")
# Factor from cosines to logits. It is not fitted, which would take labels; sentence encoders are trained with about 20.
_SCALE = 20.0
# Texts of the training part, used without their labels, to measure how similar each label is to texts in general.
_CENTRE_TEXTS = 512


class ZeroShotPredictor(TokenPredictor):
    """The nearest label by cosine similarity.

    Args:
        encoder: A frozen encoder.
        tokenizer: The encoder's.
        anchors: Vectors of the labels, `(classes, width)` of length 1.
        centre: Mean similarity of each label to texts in general, `(classes,)`.
        labels: Labels of the task, in class order.
        settings: How the encoder is run.
        files: The backbone.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        anchors: np.ndarray,
        centre: np.ndarray,
        labels: LabelMap,
        settings: ComputeSettings,
        files: BackboneFiles,
    ) -> None:
        self.labels = labels
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._anchors = anchors
        self._centre = centre
        self._settings = settings
        self._files = files

    def token_model(self) -> PooledModel:
        """See `TokenPredictor.token_model`."""
        return mean_model(self._encoder, self._tokenizer, self._settings, self._logits)

    def share(self, encoder: Encoder) -> None:
        """See `SharesEncoder.share`."""
        self._encoder = encoder

    def _logits(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(_SCALE * (vectors @ self._anchors.T - self._centre), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the labels' vectors and the name of the backbone; the backbone itself is not copied."""
        settings = {
            **self.labels.described(),
            "engine": self._encoder.backend,
            **self._tokenizer.described(),
            **describe_base(self._files),
        }
        write_state(folder, settings, {"anchors": self._anchors, "centre": self._centre})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "ZeroShotPredictor":
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        files = find_base(settings, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        runtime = choose(compute.device, compute.precision)
        encoder = Encoder(files, runtime, engine=str(settings.get("engine", "torch")))
        labels = LabelMap.saved(settings)
        tokenizer = Tokenizer.of(files, settings)
        anchors = arrays.of_shape("anchors", len(labels), encoder.width)
        return cls(encoder, tokenizer, anchors, arrays.of_shape("centre", len(labels)), labels, compute, files)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._anchors = self._anchors / np.float32(temperature)
        self._centre = self._centre / np.float32(temperature)

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`."""
        similarity = (_SCALE * self._anchors.T, -_SCALE * self._centre)
        last_mean, windows = [(self._encoder.layers, "mean")], self._tokenizer.reads_windows
        module = HeadOnEncoder(self._encoder, last_mean, [similarity], normalised=True, windows=windows)
        return Exportable(module.eval().cpu(), self._tokenizer, self._files)

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return self._files.size_bytes() + int(self._anchors.nbytes)


class ZeroShot(Method):
    """Similarity of text and label."""

    name = "zero-shot"
    summary = "no labelled text is used, texts are compared with the labels' names"
    predictor = ZeroShotPredictor
    uses_labels = False

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:  # noqa: ARG002 - see below
        """See `Method.learn`. Only the texts of the training part are used; validation is not."""
        skip_reason = labels_without_meaning(Examples((), (), _as_targets(labels)), self.settings)
        if skip_reason:
            raise SettingsError(f"zero-shot cannot work here: {skip_reason}")
        meanings = describe_labels(labels, self.settings.labels.described())
        chosen, texts = self.settings.backbone, single_texts(train.texts)
        files = find_backbone(chosen)
        runtime = choose(chosen.device, chosen.precision)
        encoder = Encoder(files, runtime, engine=chosen.engine)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(texts)
        wordings = [template.format(meaning) for meaning in meanings for template in _TEMPLATES]
        vectors, _ = embed(encoder, tokenizer, wordings, chosen.token_budget)
        means = vectors.reshape(len(labels), len(_TEMPLATES), -1).mean(axis=1)
        anchors = unit_length(means).astype(np.float32)
        generator = np.random.default_rng(self.settings.train.seed)
        sample = generator.permutation(len(train))[:_CENTRE_TEXTS]
        general, _ = embed(encoder, tokenizer, [texts[i] for i in sample], chosen.token_budget)
        centre = (general @ anchors.T).mean(axis=0) if len(sample) else np.zeros(len(labels), dtype=np.float32)
        say(f"zero-shot: texts are compared with {', '.join(repr(meaning) for meaning in meanings[:6])}")
        return Fitted(
            predictor=ZeroShotPredictor(encoder, tokenizer, anchors, centre, labels, chosen, files),
            history=None,
            trainable_parameters=0,
            choices={"descriptions": meanings, "precision": encoder.precision, "engine": encoder.backend},
            validation_logits=np.zeros((0, len(labels)), dtype=np.float32),
        )


def _as_targets(labels: LabelMap) -> tuple[Target, ...]:
    """The labels as targets of rows, in the form that the task's rows have."""
    return (labels.names,) if labels.multi_label else labels.names
