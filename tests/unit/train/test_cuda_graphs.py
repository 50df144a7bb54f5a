"""Steps that are captured and replayed learn what steps taken kernel by kernel learn."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from trifold.models.batching import PadTo, to_longest
from trifold.models.tokens import Tokens
from trifold.runtime import Runtime
from trifold.train import loop
from trifold.train.config import TrainingConfig
from trifold.train.cuda_graphs import CapturedSteps, steps_of
from trifold.train.loop import train
from trifold.train.objective import BatchLoss, Capturable, classification_loss
from trifold.train.optimiser import AdamW
from trifold.train.recorder import Recorder
from trifold.train.self_distillation import SelfDistillation
from trifold.train.steps import Steps

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CUDA = Runtime("cuda", "float32")
PLAN = TrainingConfig(
    learning_rate=1e-3, epochs=3, batch_size=8, token_budget=1 << 20, seed=0, weight_decay=0.01, warmup_ratio=0.1,
    max_grad_norm=1.0, ema_decay=0.9, patience=5, self_distillation=0.5, quiet=True, must_move=False,
)  # fmt: skip
SIZES = {
    "vocab_size": 200, "hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 64, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64, "pad_token_id": 0,
}  # fmt: skip
DROPOUTS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "seq_classif_dropout",
    "classifier_dropout", "summary_last_dropout",
)  # fmt: skip


@dataclass
class Classified(Capturable):
    """Made-up texts of many lengths; what class they are of, their first word decides."""

    tokens: Tokens
    classes: torch.Tensor
    asks: bool = field(default=False)

    @classmethod
    def make(cls, rows: int, seed: int) -> "Classified":
        rng = np.random.default_rng(seed)
        texts = [rng.integers(5, 200, rng.integers(4, 200)).astype(np.int32) for _ in range(rows)]
        classes = torch.tensor([int(text[0] > 100) for text in texts])
        return cls(Tokens.of(texts, [False] * rows), classes)

    @property
    def lengths(self) -> np.ndarray:
        return self.tokens.lengths

    def inputs(self, positions: np.ndarray, rounding: PadTo | None = None) -> list[torch.Tensor]:
        return [*self.tokens.batch(positions, 0, rounding or to_longest), self.classes[positions]]

    def loss_of(self, model: torch.nn.Module, inputs: list[torch.Tensor]) -> BatchLoss:
        ids, mask, classes = inputs
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        if self.asks and model.training and float(logits.detach().sum()) > 1e9:
            raise AssertionError
        return classification_loss(logits, classes, torch.ones(len(ids), device=ids.device))


def classifier(kind: str, dropout: float = 0.0) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    sizes = {**SIZES, **dict.fromkeys(DROPOUTS, dropout), "num_labels": 2}
    return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, **sizes)).to("cuda")


def learned(monkeypatch: pytest.MonkeyPatch, kind: str, precision: str, *, captured: bool) -> tuple[Any, Any]:
    """A model trained either way, and what took its steps."""
    made: list[Steps] = []

    def steps(*parts: Any) -> Steps:
        made.append((steps_of if captured else Steps)(*parts))
        return made[-1]

    monkeypatch.setattr(loop, "steps_of", steps)
    model = classifier(kind)
    head = {"classifier.weight", "classifier.bias"}
    train(model, Classified.make(100, 0), Classified.make(30, 1), PLAN, Runtime("cuda", precision), head)
    return model, made[0]


@pytest.mark.gpu
@GPU
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"])
def test_the_same_is_learned(kind: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    share = {"float32": 0.02, "bfloat16": 0.2}[precision]
    expected, _ = learned(monkeypatch, kind, precision, captured=False)
    found, steps = learned(monkeypatch, kind, precision, captured=True)
    assert isinstance(steps, CapturedSteps)
    assert 1 < len(steps.graphs) <= 4
    before = classifier(kind)
    apart = {}
    for name, weight in expected.named_parameters():
        moved = (weight - before.get_parameter(name)).norm().item()
        apart[name] = (found.get_parameter(name) - weight).norm().item() / (moved + 1e-5)
    # Attention is the same whatever is added to all keys: what moves their bias is rounding, and nothing else.
    told = {name: value for name, value in apart.items() if not name.endswith(("key.bias", "k_lin.bias"))}
    assert len(told) == len(apart) - 3
    assert max(told.values()) <= share, told


def steps_over(model: Any, data: Classified, recorder: Any, **changed: Any) -> Steps:
    plan = replace(PLAN, **changed)
    earlier = SelfDistillation(len(data.lengths), plan.self_distillation, plan.epochs)
    earlier.begin(1)
    return steps_of(model.train(), data, plan, CUDA, AdamW(model, plan.learning_rate, 0.0), earlier, recorder)


class Losses(list[float]):
    def add(self, total: torch.Tensor, *_: Any) -> None:
        self.append(float(total.detach()))


@pytest.mark.gpu
@GPU
def test_every_replay_drops_others_and_follows_the_rate() -> None:
    data, losses = Classified.make(8, 0), Losses()
    model = classifier("bert", dropout=0.5)
    steps = steps_over(model, data, losses, learning_rate=0.0, batch_size=8)
    for _ in range(6):
        steps.take([np.arange(8)])
    assert len(set(losses)) == 6
    before = model.classifier.weight.detach().clone()
    steps.optimiser.rate = 1e-2
    steps.take([np.arange(8)])
    assert 1e-3 < (model.classifier.weight - before).abs().max() < 2e-2


@pytest.mark.gpu
@GPU
def test_where_capturing_fails_steps_are_taken_one_kernel_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    data, losses = Classified.make(16, 0), Losses()
    data.asks = True
    steps = steps_over(classifier("bert", dropout=0.1), data, losses)
    for _ in range(5):
        steps.take([np.arange(8)])
        steps.take([np.arange(8, 16)])
    assert "steps cannot be captured as CUDA graphs" in capsys.readouterr().err
    assert len(losses) == 10
    assert np.isfinite(losses).all()
    assert np.mean(losses[-2:]) < np.mean(losses[:2])


def test_elsewhere_steps_are_not_captured() -> None:
    data = Classified.make(8, 0)
    parts = (torch.nn.Linear(1, 1), data, PLAN)
    rest = (AdamW(parts[0], 0.1, 0.0), SelfDistillation(8, 0.0, 1), Recorder(1, 1))
    assert type(steps_of(*parts, Runtime("cpu", "float32"), *rest)) is Steps
    # A model nobody has tried this with.
    assert type(steps_of(*parts, CUDA, *rest)) is Steps
    parts[0].config = SimpleNamespace(model_type="bert")
    assert type(steps_of(*parts, CUDA, *rest)) is CapturedSteps
