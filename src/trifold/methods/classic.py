"""`classic`: the well-known notebook recipe, kept for comparison (`--preset classic`).

A frozen backbone, its last layer's first token, and a head `hidden -> 512 -> classes` with ReLU and dropout 0.1,
trained for five epochs in batches of 32 by AdamW at a constant learning rate of 1e-5. Since the backbone is frozen,
every text is encoded once; the notebook encodes it in each epoch. The notebook pads every text to the maximum length,
which would only take time. Three things of the notebook are left out on purpose: stepping the optimiser on validation
batches (a leak), choosing on the rows that are reported (another leak), and dropout inside the frozen backbone.
"""

import numpy as np

from trifold.engines.encoder import Encoder
from trifold.events import say
from trifold.features.pooled_vectors import pool_through_cache
from trifold.methods.contract import Fitted, Method
from trifold.methods.feature_selection import FeatureSelection
from trifold.methods.features import FeaturesPredictor
from trifold.methods.linear_head import HeadData
from trifold.methods.mlp import fit_mlp
from trifold.models.locate import find_backbone
from trifold.models.pooling import LayerPooling
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose, seed_everything
from trifold.tasks.labels import LabelMap
from trifold.train.config import TrainingConfig
from trifold.types import Examples, single_texts

_HIDDEN = 512
_DROPOUT = 0.1
_PLAN = TrainingConfig(
    learning_rate=1e-5,
    epochs=5,
    batch_size=32,
    token_budget=1 << 30,
    seed=42,
    weight_decay=0.01,
    warmup_ratio=0.0,
    max_grad_norm=1.0,
    ema_decay=0.0,
    patience=5,
    decay=False,
    # At this learning rate a new head hardly changes. The comparison shows that, so it is no error here.
    must_move=False,
)


class Classic(Method):
    """The notebook's head on the first token."""

    name = "classic"
    summary = "the well-known notebook recipe: a new head on a frozen backbone's first token"
    predictor = FeaturesPredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        chosen, given = self.settings.backbone, self.settings.train
        seed_everything(given.seed)
        runtime = choose(chosen.device, chosen.precision)
        files = find_backbone(chosen)
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        encoder = Encoder(files, runtime, engine=chosen.engine)
        last_first: LayerPooling = (encoder.layers, "first")
        # Mean 0 and scale 1: the notebook does not standardise.
        selection = FeatureSelection(
            (last_first,), np.zeros(encoder.width, np.float32), np.ones(encoder.width, np.float32)
        )
        read = pool_through_cache(encoder, tokenizer, single_texts([*train.texts, *validation.texts]), files, chosen)
        vectors = selection.features(read.pooled)
        data = HeadData(
            vectors[: len(train)],
            labels.encode(train.labels),
            vectors[len(train) :],
            labels.encode(validation.labels),
            len(labels),
            given.class_weight,
        )
        head, history = fit_mlp(data, given, _PLAN, hidden=_HIDDEN, dropout=_DROPOUT, members=1)
        say(f"classic: a head of {head.parameters():,} parameters on {files.name}, best epoch {history.best_epoch}")
        return Fitted(
            predictor=FeaturesPredictor(encoder, tokenizer, selection, head, labels, chosen, files),
            history=history,
            trainable_parameters=head.parameters(),
            choices={"best_epoch": history.best_epoch, "precision": encoder.precision, "engine": encoder.backend},
            validation_logits=head.logits(data.validation),
            cached_seconds=read.cached_seconds,
        )
